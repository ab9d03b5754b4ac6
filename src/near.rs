//! The way back to a thread of requests, for what was begun there and ended elsewhere.
//!
//! A task that is woken from another thread waits its turn: of 31 tasks that run on a thread of requests
//! one is such, and the others are those whose requests have just come. Under more requests than can be
//! answered, those that were let in would wait for those that are turned away. So what has ended
//! elsewhere is brought to the thread by one task, which wakes all that wait for it from there.

use std::cell::OnceCell;

use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_local,
};

type Errand = Box<dyn FnOnce() + Send>;

thread_local! {
    static ERRANDS: OnceCell<mpsc::UnboundedSender<Errand>> = const { OnceCell::new() };
}

/// Lets what ends elsewhere come back to this thread by one task, until the thread ends.
///
/// # Panics
/// Outside of a `LocalSet`.
pub(crate) fn open() {
    ERRANDS.with(|errands| {
        errands.get_or_init(|| {
            let (sender, mut receiver) = mpsc::unbounded_channel::<Errand>();
            spawn_local(async move {
                while let Some(errand) = receiver.recv().await {
                    errand();
                }
            });
            sender
        });
    });
}

/// Tells whoever waits, on the thread where it was made.
pub(crate) struct Teller<T> {
    tell: oneshot::Sender<T>,
    /// Where the thread has no such task, it is told directly.
    errands: Option<mpsc::UnboundedSender<Errand>>,
}

/// A teller, and what it tells.
pub(crate) fn teller<T>() -> (Teller<T>, oneshot::Receiver<T>) {
    let (tell, told) = oneshot::channel();
    let errands = ERRANDS.with(|errands| errands.get().cloned());
    (Teller { tell, errands }, told)
}

impl<T: Send + 'static> Teller<T> {
    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.tell.is_closed()
    }

    /// Tells, if anybody waits.
    pub(crate) fn tell(self, value: T) {
        let Self { tell, errands } = self;
        // Whoever gave up waiting does not want it any more.
        let errand = move || _ = tell.send(value);
        match errands {
            Some(errands) => {
                if let Err(mpsc::error::SendError(errand)) = errands.send(Box::new(errand)) {
                    errand();
                }
            }
            None => errand(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::thread;

    use tokio::{
        runtime::Builder,
        task::{LocalSet, yield_now},
    };

    use super::*;

    /// What was told from another thread, while many others are busy on this one; and how many of their
    /// turns it took.
    fn told(near: bool) -> usize {
        let runtime = Builder::new_current_thread().build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            if near {
                open();
            }
            let waiting: Vec<_> = (0..100)
                .map(|_| {
                    let (teller, told) = teller();
                    (teller, spawn_local(told))
                })
                .collect();
            yield_now().await;
            let (tellers, told): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            thread::spawn(move || tellers.into_iter().for_each(|it| it.tell(()))).join().unwrap();
            let turns = std::rc::Rc::new(std::cell::Cell::new(0));
            for _ in 0..50 {
                let turns = turns.clone();
                spawn_local(async move {
                    loop {
                        turns.set(turns.get() + 1);
                        yield_now().await;
                    }
                });
            }
            for told in told {
                told.await.unwrap().unwrap();
            }
            turns.get()
        })
    }

    #[test]
    fn many_that_have_ended_elsewhere_wait_for_one_turn() {
        let [near, far] =
            [true, false].map(|near| thread::spawn(move || told(near)).join().unwrap());
        assert!(near * 2 < far, "{near} turns of others, and {far} without");
    }
}
