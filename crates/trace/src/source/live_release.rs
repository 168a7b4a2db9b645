//! Records of a live input leave when they have waited long enough.

use super::Source;
use crate::TraceRequest;
use downpour_core::units::{NANOS_PER_SECOND, Stamp};

const NANOS_IN_SECOND: i64 = NANOS_PER_SECOND.cast_signed();

impl Source {
    /// A request of a live input that has waited long enough.
    pub(super) fn pop_live(&mut self) -> Option<TraceRequest> {
        let (reached, is_over) = self.live_delay.as_mut()?.released_until()?;
        let until = match (i64::try_from(self.filter.resolution_ns), is_over) {
            (Ok(NANOS_IN_SECOND), true) => reached.plus_nanos(NANOS_IN_SECOND),
            // More lines of the newest second may come.
            (Ok(NANOS_IN_SECOND), false) => Stamp::from_nanos(reached.epoch_second() * NANOS_IN_SECOND - 1),
            (Ok(_) | Err(_), _) => reached,
        };
        let Self { pass, filter: intake, .. } = self;
        let mut readers = std::mem::take(&mut pass.readers);
        readers.iter_mut().flatten().for_each(|reader| reader.release_all(intake, pass));
        pass.readers = readers;
        while self.pass.subsecond.oldest().is_some_and(|second| second <= until) {
            let drawn = self.pass.subsecond.draw_oldest();
            self.put_in_order(drawn);
        }
        self.pass.reorder.pop_until(until)
    }
}
