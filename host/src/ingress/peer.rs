//! Who is at the other end of a loopback connection: the system's own user, or another.
//!
//! Against an agent under Wardlock's own uid there is no promise; each row of the audit
//! says which it was.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use wardlock_audit::Separation;
use wardlock_core::id::AgentName;

use super::slots::{Busy, Slot};
use super::sockets::uid_of;

/// The other end of a connection, and its slot.
#[derive(Debug)]
pub struct Peer {
    /// Its address and ours, where both are known and its user can be.
    ends: Option<(SocketAddr, SocketAddr)>,
    user: OnceLock<Option<u32>>,
    slot: Arc<Slot>,
}

impl Peer {
    /// Takes a connection's slot; nothing is found out yet.
    pub fn new(stream: &TcpStream, slot: Arc<Slot>) -> Self {
        let ends = stream.peer_addr().ok().zip(stream.local_addr().ok());
        let ends = ends.filter(|(peer, _)| peer.ip().is_loopback());
        Self { ends, user: OnceLock::new(), slot }
    }

    /// Returns whether its user differs from ours.
    pub fn separation(&self) -> Separation {
        let own = rustix::process::geteuid().as_raw();
        match self.user() {
            // Root reads every home.
            Some(uid) if uid == own || uid == 0 => Separation::None,
            Some(_) => Separation::OwnUser,
            None => Separation::Unknown,
        }
    }

    /// Returns its user's number, where the system tells. It is found out once a connection and only when it is wanted: it
    /// costs a question to the kernel, and where that answers none a walk through a table that is long in a flood of connections.
    pub fn user(&self) -> Option<u32> {
        *self.user.get_or_init(|| self.ends.and_then(|(peer, local)| uid_of(peer, local)))
    }

    /// Counts the connection for an agent that showed its token.
    pub fn belongs_to(&self, agent: &AgentName) {
        self.slot.belongs_to(agent);
    }

    /// Keeps the connection from giving way while a request is under way.
    pub fn busy(&self) -> Busy {
        self.slot.busy()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::Slots;
    use super::*;

    #[tokio::test]
    async fn a_peer_under_our_own_uid_is_no_separation() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        let client = TcpStream::connect(address).await.expect("connect");
        let (server, _) = listener.accept().await.expect("accept");
        let (slot, _) = Slots::new(1).take().expect("a slot");
        assert_eq!(Peer::new(&server, Arc::new(slot)).separation(), Separation::None);
        drop(client);
    }
}
