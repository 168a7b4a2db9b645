//! Records of a live input leave when they have waited long enough.

use super::Source;
use crate::trace::Request;
use crate::units::{NANOS_PER_SECOND, Stamp};

const NANOS_IN_SECOND: i64 = NANOS_PER_SECOND.cast_signed();

impl Source {
    /// A request of a live input that has waited long enough.
    pub(super) fn held_long_enough(&mut self) -> Option<Request> {
        let (reached, is_over) = self.holding.as_mut()?.ripe()?;
        let until = match (i64::try_from(self.intake.coarsest_ns), is_over) {
            (Ok(NANOS_IN_SECOND), true) => reached.plus_nanos(NANOS_IN_SECOND),
            // More lines of the newest second may come.
            (Ok(NANOS_IN_SECOND), false) => Stamp::from_nanos(reached.epoch_second() * NANOS_IN_SECOND - 1),
            (Ok(_) | Err(_), _) => reached,
        };
        let Self { pass, intake, .. } = self;
        let mut readers = std::mem::take(&mut pass.readers);
        readers.iter_mut().flatten().for_each(|reader| reader.settle(intake, pass));
        pass.readers = readers;
        while self.pass.spread.oldest().is_some_and(|second| second <= until) {
            let drawn = self.pass.spread.draw_oldest();
            self.put_in_order(drawn);
        }
        self.pass.order.pop_until(until)
    }
}
