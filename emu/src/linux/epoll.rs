//! `epoll`: which of many open files are ready.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::errno::Errno;
use super::fd::{Object, Open, POLLERR, POLLHUP, POLLIN, Shared};

/// Report a file once for each change, not as long as it is ready.
const EPOLLET: u32 = 1 << 31;
/// Report a file once, until it is added anew.
const EPOLLONESHOT: u32 = 1 << 30;
/// Epolls that watch epolls that watch epolls.
const NESTED: u32 = 5;

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
        let can_wait = match &open.borrow().object {
            Object::Pipe(..) | Object::Counter(_) | Object::Epoll(_) | Object::Input(_) => true,
            Object::Output(_) | Object::Node(_) => false,
        };
        if !can_wait {
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

    /// Whether standard input is watched.
    pub fn watches_input(&self) -> bool {
        let is_input = |open: std::rc::Rc<RefCell<Open>>| matches!(open.borrow().object, Object::Input(_));
        self.0.values().any(|interest| interest.open.upgrade().is_some_and(is_input))
    }

    /// What could be done with the `epoll` itself, as `poll` bits.
    pub fn ready(&self) -> u32 {
        self.ready_at(NESTED)
    }

    fn ready_at(&self, depth: u32) -> u32 {
        let ready = |interest: &Interest| {
            let Some(open) = interest.open.upgrade() else { return false };
            let Ok(open) = open.try_borrow() else { return false };
            let bits = match &open.object {
                Object::Epoll(inner) if depth > 0 => inner.ready_at(depth - 1),
                Object::Epoll(_) => 0,
                _ => open.ready(),
            };
            bits & (interest.events | POLLERR | POLLHUP) != 0
        };
        if self.0.values().any(ready) { POLLIN } else { 0 }
    }

    /// Takes up to `max` files that are ready. Files that nobody has open any more are forgotten.
    pub fn take_ready(&mut self, max: usize) -> Vec<Ready> {
        self.0.retain(|_, interest| interest.open.strong_count() > 0);
        let mut ready = Vec::new();
        for interest in self.0.values_mut() {
            let Some(open) = interest.open.upgrade() else { continue };
            let Ok(open) = open.try_borrow() else { continue };
            let events = open.ready() & (interest.events | POLLERR | POLLHUP);
            let changes = Some(open.changes());
            if events == 0
                || interest.events == 0
                || interest.events & EPOLLET != 0 && interest.reported == changes
            {
                continue;
            }
            if ready.len() == max {
                break;
            }
            interest.reported = changes;
            if interest.events & EPOLLONESHOT != 0 {
                interest.events = 0;
            }
            ready.push(Ready { events, data: interest.data });
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::super::clock::Random;
    use super::super::event::Counter;
    use super::super::fd::{Descriptors, Io};
    use super::super::pipe::PipeEnd;
    use super::*;

    fn share(object: Object, flags: u32) -> Shared {
        Descriptors::default().make(object, flags, None)
    }

    fn io<T>(act: impl FnOnce(&mut Io) -> T) -> T {
        act(&mut Io { random: &mut Random::new(0), room: &Budget::new(1 << 20), now: 0 })
    }

    #[test]
    fn an_edge_is_reported_once_a_level_as_long_as_it_lasts() {
        let (reader, writer) = PipeEnd::pair();
        let (reader, writer) = (share(Object::Pipe(reader, None), 0), share(Object::Pipe(writer, None), 1));
        let (mut edge, mut level, mut once) = (Epoll::default(), Epoll::default(), Epoll::default());
        edge.add(5, &reader, POLLIN | EPOLLET, [1; 8]).unwrap();
        level.add(5, &reader, POLLIN, [2; 8]).unwrap();
        once.add(5, &reader, POLLIN | EPOLLONESHOT, [3; 8]).unwrap();
        assert_eq!(edge.add(5, &reader, POLLIN, [1; 8]), Err(Errno::Exist));
        assert_eq!((edge.take_ready(9), level.ready()), (vec![], 0));
        for _ in 0..2 {
            assert_eq!(io(|io| writer.borrow_mut().write(b"abc", None, io)), Ok(3));
            assert_eq!(edge.take_ready(9), [Ready { events: POLLIN, data: [1; 8] }]);
            assert_eq!(edge.take_ready(9), []);
            assert_eq!(level.take_ready(9).len() + level.take_ready(9).len(), 2);
        }
        assert_eq!((once.take_ready(9).len(), once.take_ready(9).len()), (1, 0));
        let outer = share(Object::Epoll(level), 2);
        assert_eq!(outer.borrow().ready(), POLLIN);
        assert_eq!(io(|io| reader.borrow_mut().read(&mut [0; 9], None, io)), Ok(6));
        assert_eq!(outer.borrow().ready(), 0);
        drop(writer);
        assert_eq!(edge.take_ready(9), [Ready { events: POLLHUP, data: [1; 8] }]);
        drop(reader);
        assert_eq!(outer.borrow().ready(), 0, "a closed file is forgotten");
    }

    #[test]
    fn only_what_can_wait_is_watched() {
        let mut epoll = Epoll::default();
        let output = share(Object::Output(super::super::fd::Stream::Out), 1);
        assert_eq!(epoll.add(1, &output, POLLIN, [0; 8]), Err(Errno::Perm));
        let event = share(Object::Counter(Counter::event(1, false, true)), 2);
        epoll.add(1, &event, POLLIN, [0; 8]).unwrap();
        assert_eq!(epoll.take_ready(0), []);
        assert_eq!(epoll.take_ready(1).len(), 1);
        let mut buf = [0; 8];
        assert_eq!(io(|io| event.borrow_mut().read(&mut buf, None, io)), Ok(8));
        assert_eq!(buf, [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(epoll.take_ready(1), []);
    }
}
