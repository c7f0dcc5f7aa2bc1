//! How long a client may leave an answer unread: it holds a connection, and of a flowing answer a place and a socket of the
//! provider's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// Who reads takes at least so much within the time, so that a reader of a byte a minute is none. The kernel passes on what
/// it has room for, in pieces of about this size.
const LEAST: usize = 64 << 10;

/// Watches the writes of one connection.
pub struct Unread {
    time: Duration,
    /// Since a write had to wait: when it has waited too long, and what was taken meanwhile.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Unread {
    /// Makes one that lets an answer be unread for this time.
    pub fn new(time: Duration) -> Self {
        Self { time, waiting: None }
    }

    /// Passes on what a write said, or the error that ends the connection. Whoever is told to wait is woken when that is due.
    pub fn check(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some((_, taken)) = &mut self.waiting {
                    *taken += bytes;
                    if *taken >= LEAST {
                        self.waiting = None;
                    }
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let (due, _) = self.waiting.get_or_insert_with(|| (Box::pin(tokio::time::sleep(self.time)), 0));
                match due.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads the answer")))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    /// Nothing waits any more.
    pub fn all_taken(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const TIME: Duration = Duration::from_millis(20);

    /// Tells a watch what a write said.
    async fn check(unread: &mut Unread, written: Option<usize>) -> Poll<io::Result<usize>> {
        poll_fn(|cx| {
            let written = written.map_or(Poll::Pending, |bytes| Poll::Ready(Ok(bytes)));
            Poll::Ready(unread.check(cx, written))
        })
        .await
    }

    #[tokio::test]
    async fn a27_who_reads_nothing_is_left_and_so_is_who_reads_a_byte_now_and_then() {
        for taken in [0, 1, LEAST - 1] {
            let mut unread = Unread::new(TIME);
            assert!(check(&mut unread, None).await.is_pending());
            assert!(matches!(check(&mut unread, Some(taken)).await, Poll::Ready(Ok(_))));
            tokio::time::sleep(TIME).await;
            let ended = check(&mut unread, None).await;
            let timed_out =
                matches!(ended, Poll::Ready(Err(ref error)) if error.kind() == io::ErrorKind::TimedOut);
            assert!(timed_out, "{ended:?}");
        }
    }

    #[tokio::test]
    async fn who_reads_on_or_has_read_all_is_waited_for_again() {
        let mut unread = Unread::new(TIME);
        assert!(check(&mut unread, None).await.is_pending());
        assert!(matches!(check(&mut unread, Some(LEAST)).await, Poll::Ready(Ok(LEAST))));
        tokio::time::sleep(TIME).await;
        assert!(check(&mut unread, None).await.is_pending());
        unread.all_taken();
        tokio::time::sleep(TIME).await;
        assert!(check(&mut unread, None).await.is_pending());
    }
}
