//! Timers of the process, which run on virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Weak;

use super::fd::Open;

/// What a timer's time is. All count nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// Time as it passes, measured by the monotonic clock.
    Real,
    /// What the whole process has executed.
    Process,
    /// What one thread has executed.
    Thread(u32),
}

/// Which timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerId {
    /// `setitimer`: 0 to 2.
    Interval(u64),
    /// `timer_create`.
    Posix(u64),
    /// `timerfd`, by its open file.
    File(u64),
}

/// What happens when a timer expires.
#[derive(Clone, Debug)]
pub enum Notify {
    /// Nothing.
    Nothing,
    /// A signal with a `si_code`, to a thread or the process.
    Signal(u32, i32, Option<u32>),
    /// A file counts it.
    File(Weak<RefCell<Open>>),
}

/// A timer.
#[derive(Clone, Debug)]
pub struct Timer {
    /// Its time.
    pub clock: TimerClock,
    /// Whether moments are given by the time of day.
    pub wall: bool,
    /// When it expires next.
    pub next: Option<u64>,
    /// How long after that it expires again; zero of never.
    pub interval: u64,
    /// What happens then.
    pub notify: Notify,
    /// How often it had expired more than once by then.
    pub overrun: u64,
}

/// The timers of a process.
#[derive(Debug, Default)]
pub struct Timers {
    all: BTreeMap<TimerId, Timer>,
    made: u64,
}

/// How many a process may have.
const MAX: usize = 4096;

impl Timers {
    /// Adds a timer of `timer_create`. `None` when there are too many.
    pub fn create(&mut self, timer: Timer) -> Option<u64> {
        let id = self.made;
        (self.all.len() < MAX).then(|| {
            self.made += 1;
            self.all.insert(TimerId::Posix(id), timer);
            id
        })
    }

    /// A timer.
    pub fn get(&mut self, id: TimerId) -> Option<&mut Timer> {
        self.all.get_mut(&id)
    }

    /// Sets a timer that has one place.
    pub fn set(&mut self, id: TimerId, timer: Timer) {
        self.all.insert(id, timer);
    }

    /// Removes a timer.
    pub fn remove(&mut self, id: TimerId) -> Option<Timer> {
        self.all.remove(&id)
    }

    /// The earliest moment of the monotonic clock at which one expires.
    pub fn next_real(&self) -> Option<u64> {
        self.all.values().filter(|t| t.clock == TimerClock::Real).filter_map(|t| t.next).min()
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes what has expired by now: what happens, and how often. `now` tells each clock's time.
    pub fn expire(&mut self, mut now: impl FnMut(TimerClock) -> u64) -> Vec<(Notify, u64)> {
        self.all.retain(|_, timer| match &timer.notify {
            Notify::File(open) => open.strong_count() > 0,
            _ => true,
        });
        let mut expired = Vec::new();
        for timer in self.all.values_mut() {
            let Some(next) = timer.next else { continue };
            let Some(late) = now(timer.clock).checked_sub(next) else { continue };
            let times = 1 + late.checked_div(timer.interval).unwrap_or(0);
            timer.next =
                (timer.interval > 0).then(|| next.saturating_add(times.saturating_mul(timer.interval)));
            timer.overrun = times - 1;
            expired.push((timer.notify.clone(), times));
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_expires_again_and_again() {
        let timer = Timer {
            clock: TimerClock::Real,
            wall: false,
            next: Some(100),
            interval: 10,
            notify: Notify::Signal(14, 0, None),
            overrun: 0,
        };
        let mut timers = Timers::default();
        let id = TimerId::Posix(timers.create(timer.clone()).unwrap());
        timers.set(TimerId::Interval(1), Timer { clock: TimerClock::Process, interval: 0, ..timer });
        let now = |real: u64, cpu: u64| move |clock| if clock == TimerClock::Real { real } else { cpu };
        assert_eq!(timers.next_real(), Some(100));
        assert!(timers.expire(now(99, 99)).is_empty());
        let expired = timers.expire(now(125, 100));
        assert_eq!(expired.iter().map(|e| e.1).collect::<Vec<_>>(), [1, 3]);
        let timer = timers.get(id).unwrap();
        assert_eq!((timer.next, timer.overrun), (Some(130), 2));
        assert_eq!(timers.get(TimerId::Interval(1)).unwrap().next, None);
    }
}
