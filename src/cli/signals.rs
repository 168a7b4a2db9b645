//! SIGINT and SIGTERM, as phases of a run.

use crate::engine::Phase;
use crate::units::grouped;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The phase of a run, and who may end it.
#[derive(Debug)]
pub(crate) struct Phases {
    /// How far the run has come.
    pub(crate) phase: watch::Receiver<Phase>,
    command: watch::Sender<Phase>,
    /// What the first signal is answered with.
    pub(crate) signal_notice: Arc<SignalNotice>,
}

/// What the first signal is answered with on stderr, where nothing is drawn that
/// would show it.
#[derive(Debug, Default)]
pub(crate) struct SignalNotice {
    is_enabled: AtomicBool,
    in_flight: AtomicU64,
}

impl SignalNotice {
    /// A line is to be printed.
    pub(crate) fn enable(&self) {
        self.is_enabled.store(true, Ordering::Relaxed);
    }

    /// So many requests have no answer yet.
    pub(crate) fn in_flight(&self, requests: u64) {
        self.in_flight.store(requests, Ordering::Relaxed);
    }

    fn print(&self) {
        if self.is_enabled.load(Ordering::Relaxed) {
            super::print_message(&ending(self.in_flight.load(Ordering::Relaxed)));
        }
    }
}

/// What is shown of a run that ends on a signal.
pub(crate) fn ending(in_flight: u64) -> String {
    format!("ending: {} in flight; Ctrl-C again to stop now", grouped(in_flight))
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
    let answer = Arc::new(SignalNotice::default());
    let answered = Arc::clone(&answer);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for commanded in [Phase::Draining, Phase::Stopping] {
                either(&mut interrupt, &mut terminate).await;
                if commanded == Phase::Draining {
                    answered.print();
                }
                signalled.send_replace(commanded);
            }
            // The sender must outlive the run.
            std::future::pending::<()>().await;
        });
    })?;
    Ok(Phases { phase, command, signal_notice: answer })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
