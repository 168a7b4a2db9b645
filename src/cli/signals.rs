//! SIGINT and SIGTERM, as phases of a run.

use crate::engine::Phase;
use std::io;
use std::sync::{Arc, OnceLock};
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
///
/// It holds no number: what is in flight is counted once a second, and would be
/// wrong by the time it is read.
#[derive(Debug, Default)]
pub(crate) struct SignalNotice(OnceLock<&'static str>);

/// What is said of a run that ends on a signal.
pub(crate) const ENDING: &str = "ending: waiting for requests in flight; Ctrl-C again to stop now";

/// The same of a check, which goes on to check the redirects that it has.
pub(crate) const ENDING_CHECK: &str =
    "ending: waiting for answers and redirect checks; Ctrl-C again to stop now";

impl SignalNotice {
    /// This is to be printed.
    pub(crate) fn enable(&self, text: &'static str) {
        self.0.get_or_init(|| text);
    }

    fn print(&self) {
        if let Some(text) = self.0.get() {
            super::print_message(text);
        }
    }
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

/// The phase of a run that no signal ends.
pub(crate) fn without_signals() -> Phases {
    let (command, phase) = watch::channel(Phase::Running);
    Phases { phase, command, signal_notice: Arc::default() }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
