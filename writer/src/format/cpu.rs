//! The instructions of the CPU at hand, where they are more than those that all of its kind have.

/// What some CPUs do in one step, and others in several.
pub(crate) trait Cpu: Copy {
    /// Moves the 56 low bits of `v` apart: seven to a byte.
    fn spread(self, v: u64) -> u64;
}

/// A CPU of which nothing more is known.
#[derive(Clone, Copy)]
pub(crate) struct Any;

impl Cpu for Any {
    #[inline(always)]
    fn spread(self, v: u64) -> u64 {
        super::uvarint::spread(v)
    }
}

/// Work that is compiled for each kind of CPU. [`on`](Self::on) must be inlined, always, and so must what it calls: only then it
/// has the instructions.
pub(crate) trait Work {
    /// What comes of it.
    type Output;

    /// Does it.
    fn on(self, cpu: impl Cpu) -> Self::Output;
}

/// Does the work with the instructions that there are.
#[inline(always)]
pub(crate) fn run<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    return super::bmi2::run(work);
    #[cfg(not(target_arch = "x86_64"))]
    return work.on(Any);
}
