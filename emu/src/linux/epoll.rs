//! `epoll`: which of many open files are ready.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::errno::Errno;
use super::fd::{Object, Open, POLLERR, POLLHUP, Shared};

/// Report a file once for each change, not as long as it is ready.
const EPOLLET: u32 = 1 << 31;

#[derive(Debug)]
struct Interest {
    open: Weak<RefCell<Open>>,
    events: u32,
    data: [u8; 8],
    /// The file's [`Open::changes`] when it was last reported.
    reported: Option<u64>,
}

/// The files that one `epoll` watches, by descriptor.
#[derive(Debug, Default)]
pub struct Epoll(BTreeMap<i32, Interest>);

/// A file that is ready: its `poll` bits, and what the program gave to recognise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The `poll` bits.
    pub events: u32,
    /// The program's bytes.
    pub data: [u8; 8],
}

impl Epoll {
    /// `EPOLL_CTL_ADD`. Files that are always ready can't be watched.
    pub fn add(&mut self, fd: i32, open: &Shared, events: u32, data: [u8; 8]) -> Result<(), Errno> {
        if !matches!(open.borrow().object, Object::Pipe(_) | Object::Event(_)) {
            return Err(Errno::Perm);
        }
        if self.0.get(&fd).is_some_and(|i| i.open.upgrade().is_some()) {
            return Err(Errno::Exist);
        }
        self.0.insert(fd, Interest { open: Rc::downgrade(open), events, data, reported: None });
        Ok(())
    }

    /// `EPOLL_CTL_MOD`.
    pub fn modify(&mut self, fd: i32, events: u32, data: [u8; 8]) -> Result<(), Errno> {
        let interest = self.0.get_mut(&fd).ok_or(Errno::NoEnt)?;
        *interest = Interest { open: interest.open.clone(), events, data, reported: None };
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    pub fn delete(&mut self, fd: i32) -> Result<(), Errno> {
        self.0.remove(&fd).map(drop).ok_or(Errno::NoEnt)
    }

    /// Takes up to `max` files that are ready. Files that nobody has open any more are forgotten.
    pub fn take_ready(&mut self, max: usize) -> Vec<Ready> {
        self.0.retain(|_, interest| interest.open.strong_count() > 0);
        let mut ready = Vec::new();
        for interest in self.0.values_mut() {
            let Some(open) = interest.open.upgrade() else { continue };
            let open = open.borrow();
            let events = open.ready() & (interest.events | POLLERR | POLLHUP);
            let changes = Some(open.changes());
            if events == 0 || interest.events & EPOLLET != 0 && interest.reported == changes {
                continue;
            }
            if ready.len() == max {
                break;
            }
            interest.reported = changes;
            ready.push(Ready { events, data: interest.data });
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Random;
    use super::super::fd::{Counter, POLLIN, PipeEnd};
    use super::*;

    fn share(object: Object, flags: u32) -> Shared {
        Rc::new(RefCell::new(Open::new(object, flags)))
    }

    #[test]
    fn an_edge_is_reported_once_a_level_as_long_as_it_lasts() {
        let (reader, writer) = PipeEnd::pair();
        let (reader, writer) = (share(Object::Pipe(reader), 0), share(Object::Pipe(writer), 1));
        let (mut edge, mut level) = (Epoll::default(), Epoll::default());
        edge.add(5, &reader, POLLIN | EPOLLET, [1; 8]).unwrap();
        level.add(5, &reader, POLLIN, [2; 8]).unwrap();
        assert_eq!(edge.add(5, &reader, POLLIN, [1; 8]), Err(Errno::Exist));
        assert_eq!(edge.take_ready(9), []);
        for _ in 0..2 {
            assert_eq!(writer.borrow_mut().write(b"abc", None, &mut 0), Ok(3));
            assert_eq!(edge.take_ready(9), [Ready { events: POLLIN, data: [1; 8] }]);
            assert_eq!(edge.take_ready(9), []);
            assert_eq!(level.take_ready(9).len() + level.take_ready(9).len(), 2);
        }
        assert_eq!(reader.borrow_mut().read(&mut [0; 9], None, &mut Random::new(0)), Ok(6));
        assert_eq!(level.take_ready(9), []);
        drop(writer);
        assert_eq!(edge.take_ready(9), [Ready { events: POLLHUP, data: [1; 8] }]);
        drop(reader);
        assert_eq!(level.take_ready(9), [], "a closed file is forgotten");
    }

    #[test]
    fn only_what_can_wait_is_watched() {
        let mut epoll = Epoll::default();
        assert_eq!(epoll.add(1, &share(Object::Null, 0), POLLIN, [0; 8]), Err(Errno::Perm));
        let event = share(Object::Event(Counter::new(1, true)), 2);
        epoll.add(1, &event, POLLIN, [0; 8]).unwrap();
        assert_eq!(epoll.take_ready(0), []);
        assert_eq!(epoll.take_ready(1).len(), 1);
        let mut buf = [0; 8];
        assert_eq!(event.borrow_mut().read(&mut buf, None, &mut Random::new(0)), Ok(8));
        assert_eq!(buf, [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(epoll.take_ready(1), []);
    }
}
