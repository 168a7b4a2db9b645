//! SIGINT and SIGTERM, as phases of a run.

use crate::engine::Phase;
use std::io;
use std::thread;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The phase of a run as its operator commands it: the first signal lets it
/// drain, the second stops it at once.
///
/// The listening thread lives as long as the process; it holds nothing that
/// would have to be put in order.
pub(crate) fn phases() -> io::Result<watch::Receiver<Phase>> {
    let (command, phase) = watch::channel(Phase::Running);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for commanded in [Phase::Draining, Phase::Stopping] {
                either(&mut interrupt, &mut terminate).await;
                command.send_replace(commanded);
            }
            // The sender must outlive the run.
            std::future::pending::<()>().await;
        });
    })?;
    Ok(phase)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
