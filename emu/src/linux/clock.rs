//! Virtual time and randomness: the same in every run.

/// The wall clock when every program starts: 2016-01-01 00:00:00 UTC, in seconds since 1970.
const START_OF_THE_WALL_CLOCK: u64 = 1_451_606_400;
/// How long every machine has been up when a program starts, in nanoseconds. Not zero, because
/// programs take a monotonic time of zero for "not set".
const UPTIME: u64 = 1_000_000_000;
/// Where both clocks stop, as the kernel's `KTIME_MAX`, in nanoseconds: there is no later moment.
pub const END_OF_TIME: u64 = i64::MAX as u64;

/// A clock that instructions drive: one nanosecond each, and waiting takes no host time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    instructions: u64,
    /// Nanoseconds that passed while every thread slept.
    slept: u64,
}

impl Clock {
    /// Nanoseconds since the machine was booted.
    pub fn monotonic(&self) -> u64 {
        UPTIME.saturating_add(self.instructions).saturating_add(self.slept).min(END_OF_TIME)
    }

    /// Nanoseconds since 1970.
    pub fn wall(&self) -> u64 {
        (START_OF_THE_WALL_CLOCK * 1_000_000_000 + self.monotonic()).min(END_OF_TIME)
    }

    /// How many instructions were executed.
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The CPU has executed so many instructions in all.
    pub fn set_instructions(&mut self, total: u64) {
        self.instructions = self.instructions.max(total);
    }

    /// The moment of [`Clock::monotonic`] so many nanoseconds from now, at the latest the end of time.
    pub fn after(&self, nanoseconds: u64) -> u64 {
        self.monotonic().saturating_add(nanoseconds).min(END_OF_TIME)
    }

    /// Sleeps until a moment of [`Clock::monotonic`], unless that has passed.
    pub fn sleep_until(&mut self, moment: u64) {
        self.slept += moment.min(END_OF_TIME).saturating_sub(self.monotonic());
    }
}

/// The kernel's random bytes: SplitMix64, always from the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next eight random bytes.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Fills a buffer. The bytes are the same on all machines.
    pub fn fill(&mut self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_by_instructions_and_by_sleep() {
        let mut clock = Clock::default();
        let start = clock.monotonic();
        clock.set_instructions(5);
        assert_eq!(clock.monotonic(), start + 5);
        clock.sleep_until(start + 100);
        assert_eq!(clock.monotonic(), start + 100);
        clock.sleep_until(start);
        clock.set_instructions(7);
        assert_eq!(clock.monotonic(), start + 102);
        assert_eq!(clock.wall() - clock.monotonic(), 1_451_606_400_000_000_000);
    }

    #[test]
    fn who_sleeps_for_ever_wakes_at_the_end_of_time() {
        let mut clock = Clock::default();
        clock.set_instructions(7);
        assert_eq!(clock.after(u64::MAX), END_OF_TIME);
        clock.sleep_until(u64::MAX);
        assert_eq!((clock.monotonic(), clock.wall()), (END_OF_TIME, END_OF_TIME));
        clock.set_instructions(9);
        clock.sleep_until(clock.after(1));
        assert_eq!((clock.monotonic(), clock.wall()), (END_OF_TIME, END_OF_TIME), "time stands still");
    }

    #[test]
    fn random_bytes_are_the_published_ones() {
        // SplitMix64's reference output for seed 1234567.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }
}
