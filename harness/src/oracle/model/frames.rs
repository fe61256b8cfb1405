//! Stack frames.

use std::ops::Range;

use heapmatrix_emu::image::FrameAt;
use heapmatrix_emu::world::{Activation, ArgsSize, Contents, Function, Goroutine, LocalsMap, Stop, Value};
use heapmatrix_reader::Record;

use super::{Checked, Kind, Model, compare, next};

/// What a frame says of the arguments that its caller has passed to it.
enum Args {
    /// Nothing, or there is no frame further in.
    Unknown(Range<u64>),
    /// The offsets of the pointers among them.
    Known(Vec<u64>),
}

impl Args {
    /// The offsets in the caller's frame of the words that may be pointers.
    fn pointers(&self, ptr_size: u64) -> Vec<u64> {
        match self {
            Args::Unknown(all) => all.clone().step_by(ptr_size as usize).collect(),
            Args::Known(pointers) => pointers.clone(),
        }
    }
}

impl Model<'_> {
    pub(super) fn frames(&mut self, i: usize, g: &Goroutine) -> Checked {
        let (world, at) = (self.world, &self.at.goroutines[i]);
        let mut defers = at.defers.iter().filter(|defer| defer.sp != self.at.truncate(u64::MAX)).peekable();
        let mut below_a_fault = false;
        let mut child_sp = 0;
        // Where the callee's arguments end in the caller's frame, and which of them are pointers.
        let (mut args_end, mut args) = (0, Args::Unknown(0..0));
        let ptr_size = self.ptr_size();

        for (depth, k) in (0..g.activations.len()).rev().enumerate() {
            let (activation, frame) = (&g.activations[k], &at.frames[k]);
            let function = &world.functions[activation.function];
            // Where the frame goes on: below a fault, only at its latest deferproc if that recovers.
            let recovered =
                defers.peek().filter(|defer| defer.sp == frame.sp.0).map_or(0, |defer| defer.pc.0);
            let continuation = if below_a_fault { recovered } else { frame.pc.0 };
            while defers.next_if(|defer| defer.sp == frame.sp.0).is_some() {}

            let record = next!(self, StackFrame, || format!("frame {k} of goroutine {i}"));
            let name = function.name.as_deref().filter(|name| !name.is_empty()).unwrap_or("unknown function");
            self.contents(&self.at.frame_contents(world, i, k), record.contents)?;
            self.frame(&record, frame, depth, child_sp, continuation, name)?;
            let stack_map = self.stack_map(g, k);
            let locals = self.locals(function, frame, stack_map, args_end);
            self.frame_fields(&record, &args, locals)?;

            below_a_fault = function.name.as_deref() == Some("runtime.sigpanic");
            child_sp = frame.sp.0;
            let first = frame.argp.0 - frame.fp.0;
            args_end = first + self.args_size(function, activation);
            args = match &function.args_map {
                None => Args::Unknown(first..args_end),
                Some(map) => Args::Known(
                    (0..map.bits as usize)
                        .filter(|&bit| map.is_set(stack_map, bit))
                        .map(|bit| first + bit as u64 * ptr_size)
                        .collect(),
                ),
            };
        }

        let Some(bottom) = &at.bottom else { return Ok(()) };
        let record = next!(self, StackFrame, || format!("outermost frame of goroutine {i}"));
        self.contents(&self.at.bottom_contents(world, i), record.contents)?;
        let continuation = if below_a_fault { 0 } else { bottom.pc.0 };
        self.frame(&record, bottom, g.activations.len(), child_sp, continuation, g.bottom.name())?;
        self.frame_fields(&record, &args, Vec::new())
    }

    fn frame(
        &mut self,
        record: &heapmatrix_reader::StackFrame<'_>,
        at: &FrameAt,
        depth: usize,
        child_sp: u64,
        continuation: u64,
        name: &str,
    ) -> Checked {
        self.tally.frames += 1;
        compare!(self, record:
            sp = at.sp.0,
            depth = depth as u64,
            child_sp = child_sp,
            function.entry = at.entry.0,
            function.pc = at.pc.0,
            function.continuation_pc = continuation,
        );
        self.text("function.name", name, record.function.name)
    }

    /// First the callee's arguments, of those that lie in the frame; then local variables.
    fn frame_fields(
        &mut self,
        record: &heapmatrix_reader::StackFrame<'_>,
        args: &Args,
        locals: Vec<u64>,
    ) -> Checked {
        let ptr_size = self.ptr_size();
        let len = record.contents.len() as u64;
        let args = args.pointers(ptr_size).into_iter().filter(|offset| offset + ptr_size <= len);
        self.fields(args.chain(locals), record.fields)
    }

    /// The offsets of the local variables that may be pointers.
    fn locals(&self, function: &Function, frame: &FrameAt, stack_map: usize, args_end: u64) -> Vec<u64> {
        let ptr_size = self.ptr_size();
        let top = frame.varp.0 - frame.sp.0;
        let words = |from: u64| (from..top).step_by(ptr_size as usize).collect();
        match &function.locals_map {
            LocalsMap::Absent => words(args_end.next_multiple_of(ptr_size)),
            // In its prologue a function has no locals yet: the reference wraps below zero, and lists none.
            LocalsMap::Size(size) => words(top.wrapping_sub(u64::from(*size) * ptr_size)),
            LocalsMap::Bitmaps(map) => {
                let first = top.wrapping_sub(u64::from(map.bits) * ptr_size);
                (0..map.bits as usize)
                    .filter(|&bit| map.is_set(stack_map, bit))
                    .map(|bit| self.at.truncate(first.wrapping_add(bit as u64 * ptr_size)))
                    .collect()
            }
        }
    }

    /// Which of a function's bitmaps holds at the PC of an activation.
    fn stack_map(&self, g: &Goroutine, k: usize) -> usize {
        let innermost = k + 1 == g.activations.len();
        let activation = match g.stop {
            // At a function's entry, and in its prologue, there is none: that is taken for the first.
            Stop::NotStarted | Stop::Preempted if innermost => return 0,
            // The walk takes the return PC, which is the caller's, for the PC.
            Stop::NilCall if innermost && self.at.target.uses_lr() => &g.activations[k - 1],
            _ => &g.activations[k],
        };
        usize::try_from(activation.stack_map).unwrap_or(0)
    }

    /// The size of a function's arguments and results in bytes.
    fn args_size(&self, function: &Function, activation: &Activation) -> u64 {
        match function.args {
            ArgsSize::Words(words) => u64::from(words) * self.ptr_size(),
            // The stubs of package reflect: a word for each bit of the bit vector that the closure in
            // their lowest word names.
            ArgsSize::Unknown if function.describes_own_args() => {
                self.reflected_bits(activation) * self.ptr_size()
            }
            // Others have a stack map. Their size is a very large number: nothing lies after it.
            ArgsSize::Unknown => self.at.truncate(i64::from(i32::MIN) as u64),
        }
    }

    fn reflected_bits(&self, activation: &Activation) -> u64 {
        let Some(Value::Object { object, .. }) = activation.words.first() else { return 0 };
        let Contents::Words { slots, .. } = &self.world.objects[*object].contents else { return 0 };
        match slots.get(1).map(|slot| slot.value()) {
            Some(Value::Bitvector(i)) => self.world.bitvectors[*i].len() as u64,
            _ => 0,
        }
    }
}
