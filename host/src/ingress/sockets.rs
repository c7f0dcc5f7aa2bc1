//! Whose a socket of this machine is, by its two addresses.
//!
//! The kernel is asked for that one socket (`sock_diag(7)`), which takes some microseconds however many there are. Where it does not
//! answer (an old kernel, a sandbox that allows no netlink), its table is read.

use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// The lengths of `struct nlmsghdr` and of `struct inet_diag_req_v2` (`linux/netlink.h`, `linux/inet_diag.h`).
const HEAD: usize = 16;
const QUESTION: usize = 56;
/// `SOCK_DIAG_BY_FAMILY` (`linux/sock_diag.h`), which the answer has for its type, too.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`: one socket, not all of them.
const REQUEST: u16 = 1;
/// Where `struct inet_diag_msg` has the socket's addresses and its user, behind the head.
const ADDRESSES: std::ops::Range<usize> = HEAD + 4..HEAD + 4 + 36;
const UID: std::ops::Range<usize> = HEAD + 64..HEAD + 68;

/// Returns the user of the socket whose own address is `peer`, and whose other end is `local`.
pub(super) fn uid_of(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    asked(peer, local).or_else(|| from_table(peer, local))
}

/// Asks the kernel for that one socket.
fn asked(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let (kind, flags) = (SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, Some(SOCK_DIAG)).ok()?;
    let question = question(peer, local);
    rustix::net::sendto(&socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).ok()?;
    // The kernel has answered when `sendto` returns.
    let mut answer = [0; 512];
    let (length, _) = rustix::net::recv(&socket, answer.as_mut_slice(), RecvFlags::empty()).ok()?;
    let answer = answer.get(..length)?;
    let is_answer = answer.get(4..6)? == BY_FAMILY.to_ne_bytes();
    // It falls back on a socket that listens at the address: that one has another end.
    let is_it = answer.get(ADDRESSES)? == addresses(peer, local);
    (is_answer && is_it).then(|| answer.get(UID)?.try_into().ok().map(u32::from_ne_bytes)).flatten()
}

/// The question, as the kernel reads it: in the byte order of the machine, but for ports and addresses.
fn question(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let family = if peer.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    let tcp = 6;
    let length = u32::try_from(HEAD + QUESTION).unwrap_or_default();
    let mut question = Vec::with_capacity(HEAD + QUESTION);
    question.extend(length.to_ne_bytes());
    question.extend([BY_FAMILY.to_ne_bytes(), REQUEST.to_ne_bytes()].concat());
    // Number and sender of the message: there is one, and the kernel knows whose.
    question.extend([0; 8]);
    question.extend([family, tcp, 0, 0]);
    // In whatever state it is.
    question.extend(u32::MAX.to_ne_bytes());
    question.extend(addresses(peer, local));
    // Any interface, any cookie.
    question.extend(0_u32.to_ne_bytes());
    question.extend([u8::MAX; 8]);
    question
}

/// Ports and addresses of a socket's two ends, its own first: the beginning of `struct inet_diag_sockid`.
fn addresses(own: SocketAddr, other: SocketAddr) -> Vec<u8> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(v4) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&v4.octets());
            octets
        }
        IpAddr::V6(v6) => v6.octets(),
    };
    let ports = [own, other].map(|end| end.port().to_be_bytes()).concat();
    [ports, octets(own.ip()).to_vec(), octets(other.ip()).to_vec()].concat()
}

/// Looks the peer's socket up in the kernel's table (proc(5), `/proc/net/tcp`): its local address is our peer.
fn from_table(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    let table = match peer {
        SocketAddr::V4(_) => "/proc/net/tcp",
        SocketAddr::V6(_) => "/proc/net/tcp6",
    };
    let table = crate::home::read_system_file(table)?;
    let (from, to) = (kernel_form(peer), kernel_form(local));
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let matches = columns.next()? == from && columns.next()? == to;
        // After local and remote address: state, queues, timer, retransmits, uid.
        let uid = columns.nth(4)?;
        matches.then(|| uid.parse().ok()).flatten()
    })
}

/// An address as `/proc/net/tcp` writes it: each 32-bit word in host byte order, upper-case hex, port after a colon.
fn kernel_form(address: SocketAddr) -> String {
    use std::fmt::Write as _;

    let octets: Vec<u8> = match address {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    };
    let mut text = String::new();
    for word in octets.chunks_exact(4) {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        // Writing to a String cannot fail.
        let _ = write!(text, "{word:08X}");
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_kernel_and_its_table_say_whose_a_socket_is() {
        let own = rustix::process::geteuid().as_raw();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert_ne!(address, "127.0.0.1:0", "IPv6 alone may be off");
                continue;
            };
            let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
            let (_server, peer) = listener.accept().expect("a server");
            let local = client.peer_addr().expect("an address");
            assert_eq!(asked(peer, local), Some(own), "{address}");
            assert_eq!(from_table(peer, local), Some(own), "{address}");
            // Nobody has this one; the listener at its own address is another.
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert_eq!((asked(nobody, local), asked(local, nobody)), (None, None), "{address}");
            assert_eq!((from_table(nobody, local), from_table(local, nobody)), (None, None), "{address}");
        }
    }
}
