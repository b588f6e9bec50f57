//! In turn by weight, smoothly: `a a b a` and not `a a a b` (the algorithm is nginx's).

use std::time::Duration;

use parking_lot::Mutex;

use crate::server::Server;

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Vec<i64>>);

impl Turns {
    /// The server whose turn it is, of those in question.
    pub(crate) fn choose<'a>(
        &self,
        server: impl Fn(usize) -> &'a Server,
        (count, now, slow_start): (usize, Duration, Duration),
        in_question: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut turns = self.0.lock();
        turns.resize(count, 0);
        let mut total = 0;
        let mut best: Option<usize> = None;
        for index in (0..count).filter(|index| in_question(*index)) {
            let share =
                i64::try_from(server(index).share(now, slow_start)).unwrap_or(i64::MAX / 4096);
            turns[index] = turns[index].saturating_add(share);
            total += share;
            if best.is_none_or(|best| turns[index] > turns[best]) {
                best = Some(index);
            }
        }
        let best = best?;
        turns[best] -= total;
        Some(best)
    }
}
