//! Finds out which connections have come to rest, without a timer for each: the task of a connection
//! that has nothing to do says so once, and is woken when it has still nothing to do a while later.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;

use super::state::Connection;

/// A connection that has been quiet for as long, and for less than twice as long, rests. Longer than a
/// busy client takes from an answer to its next request; shorter, and less memory waits for those that
/// do not come back.
const LULL: Duration = Duration::from_millis(20);

/// A worker's connections that may be about to rest.
#[derive(Default)]
pub(crate) struct Lulls {
    watched: RefCell<Vec<Watched>>,
    some: Notify,
}

struct Watched {
    connection: Rc<Connection>,
    task: Waker,
    /// How far it had come when it was last looked at.
    progress: u32,
}

impl Lulls {
    /// Wakes `task` when the connection does not move for a while, having set its `lull`.
    pub(super) fn watch(&self, connection: &Rc<Connection>, task: &Waker) {
        if connection.watched.replace(true) {
            return;
        }
        let mut watched = self.watched.borrow_mut();
        watched.push(Watched {
            connection: Rc::clone(connection),
            task: task.clone(),
            progress: connection.progress.get(),
        });
        if watched.len() == 1 {
            self.some.notify_one();
        }
    }

    /// Looks at them for as long as the worker lives.
    pub(crate) async fn look_after(&self) {
        loop {
            if self.watched.borrow().is_empty() {
                self.some.notified().await;
            }
            tokio::time::sleep(LULL).await;
            self.watched.borrow_mut().retain_mut(Watched::is_still);
        }
    }
}

impl Watched {
    /// Whether to look at it once more.
    fn is_still(&mut self) -> bool {
        let connection = &self.connection;
        let progress = connection.progress.get();
        // One that ended is held by nobody else; a busy one comes back by itself.
        let over = Rc::strong_count(connection) == 1;
        if over || !connection.at_rest() {
            connection.watched.set(false);
            return false;
        }
        if self.progress != progress {
            self.progress = progress;
            return true;
        }
        connection.watched.set(false);
        connection.lull.set(true);
        self.task.wake_by_ref();
        false
    }
}
