//! The frames of goroutines of a stopped process: as far as they can be unwound, and what is left of the stack.

use super::Go119;
use super::stack_objects::StackObjects;
use super::stopped::Stopped;
use crate::error::Error;
use crate::memory::Addr;
use crate::record::{Frame, Locals, Stkframe, Text};
use crate::target::Target;

/// Of how many goroutines it is said why they could not be unwound.
const MOST_TOLD: usize = 100;

impl<T: Target> Go119<'_, T> {
    /// The frames of a goroutine. One that was interrupted between two calls, by its thread's being stopped or by a signal
    /// to preempt it, has a frame for whose pointers there is no map: every word of it counts, as it does for
    /// the collector (`scanframeworker`).
    pub(super) fn stopped_frames(
        &self,
        stopped: &Stopped<'_>,
        gp: Addr,
        mut callback: impl FnMut(&Frame) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut objects = StackObjects::default();
        let mut anywhere = self.standings.of(gp).is_some_and(|standing| standing.anywhere);
        let (sp, mut end) = (self.stack_pointer(gp)?, self.registers(gp)?.sp);
        if sp < end {
            callback(&words(sp, end))?;
        }
        // What the output answers is no fault of the stack's.
        let mut refused = false;
        let unwound = self.unwind(gp, true, |f, s| {
            let mut frame = self.frame(gp, f, s)?;
            if anywhere {
                (frame.args, frame.locals) = (None, Locals::Unknown);
            }
            anywhere = self.is_preemption(f);
            frame.objects = objects.of(self, f, &frame)?;
            end = s.fp;
            callback(&frame).inspect_err(|_| refused = true)
        });
        match unwound {
            Err(error) if !refused => self.rest_of_stack(stopped, gp, end, &error, callback),
            unwound => unwound,
        }
    }

    /// One frame for what could not be unwound, of which any word may be a pointer.
    fn rest_of_stack(
        &self,
        stopped: &Stopped<'_>,
        gp: Addr,
        from: u64,
        error: &Error,
        mut callback: impl FnMut(&Frame) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let goid = self.process.uint(gp, self.shape.g.goid)?;
        stopped.note(|doubts| {
            doubts.not_unwound_count += 1;
            if doubts.not_unwound.len() < MOST_TOLD {
                doubts.not_unwound.push((goid, error.to_string()));
            }
        });
        let (lo, hi) = self.stack(gp)?;
        if !(lo..hi).contains(&from) {
            return Ok(());
        }
        callback(&words(from, hi))
    }
}

/// A part of a stack as a frame of no function, of which any word may be a pointer.
fn words(sp: u64, fp: u64) -> Frame {
    let s = Stkframe { entry: 0, pc: 0, continpc: 0, sp, fp, varp: fp, argp: fp, arglen: 0 };
    let name = Text::Literal("unknown function");
    Frame { s, name, args: None, locals: Locals::Unknown, objects: Vec::new() }
}
