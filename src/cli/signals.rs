//! SIGINT and SIGTERM, as phases of a run.

use crate::engine::Phase;
use std::io;
use std::thread;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The phase of a run, and who may end it.
#[derive(Debug)]
pub(crate) struct Phases {
    /// How far the run has come.
    pub(crate) phase: watch::Receiver<Phase>,
    command: watch::Sender<Phase>,
}

impl Phases {
    /// Lets a run drain that nobody has ended yet; false if somebody has.
    pub(crate) fn end(&self) -> bool {
        self.command.send_if_modified(|phase| {
            let is_running = *phase == Phase::Running;
            *phase = if is_running { Phase::Draining } else { *phase };
            is_running
        })
    }
}

/// The phase of a run as its operator commands it: the first signal lets it
/// drain, the second stops it at once.
///
/// The listening thread lives as long as the process; it holds nothing that
/// would have to be put in order.
pub(crate) fn phases() -> io::Result<Phases> {
    let (command, phase) = watch::channel(Phase::Running);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let signalled = command.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for commanded in [Phase::Draining, Phase::Stopping] {
                either(&mut interrupt, &mut terminate).await;
                signalled.send_replace(commanded);
            }
            // The sender must outlive the run.
            std::future::pending::<()>().await;
        });
    })?;
    Ok(Phases { phase, command })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
