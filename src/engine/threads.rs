//! What threads of a run have in common: their runtime, and what is said of one
//! that panicked.

use std::any::Any;
use std::io;

/// Does `work` on a runtime of this thread alone.
pub(super) fn on_local_runtime<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(tokio::runtime::LocalOptions::default())?.block_on(work)
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
