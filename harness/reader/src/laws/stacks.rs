//! Laws of goroutines: their stacks, defers and panics.

use std::collections::HashSet;

use super::heap::check_fields;
use super::{Law, Report, Violation};
use crate::{Goroutine, Kind, Params, Record, StackFrame};

/// The most that a signal handler pushes between the frame that faults and that of `runtime.sigpanic`, in
/// bytes: the link register, and since Go 1.6 what the ABI wants below it. Source: `gentraceback`.
const MOST_PUSHED: u64 = 32;

/// What of the machine shows in its stacks.
#[derive(Clone, Copy)]
struct Machine {
    pointer_size: u64,
    /// The size of a return PC that a call pushes; 0 with a link register.
    return_pc: u64,
}

impl Machine {
    fn new(params: &Params<'_>) -> Self {
        let return_pc = match params.goarch().map(|goarch| goarch.0) {
            Some(b"386") => 4,
            Some(b"amd64" | b"amd64p32") => 8,
            _ => 0,
        };
        Self { pointer_size: params.pointer_size.bytes(), return_pc }
    }
}

pub(super) struct Laws {
    machine: Machine,
    /// The goroutine whose records are being read.
    current: Option<Current>,
    addresses: HashSet<u64>,
    ids: HashSet<u64>,
    /// Offsets of goroutines and their threads, which are dumped later.
    on_threads: Vec<(u64, u64)>,
}

/// A goroutine, and how far its records have been read.
struct Current {
    offset: u64,
    address: u64,
    sp: u64,
    /// The kind of the latest of its records.
    last: Kind,
    frames: u64,
    /// `sp` and end of the frame before.
    frame: Option<(u64, u64)>,
    /// Whether the frame before is `runtime.sigpanic`'s: then this one has faulted.
    faulted: bool,
    /// The frame before, if it has a field outside: its offset, and what is wrong.
    overhang: Option<(u64, String)>,
    /// The defer and the panic that should come next, or 0.
    defer: u64,
    panic: u64,
}

impl Laws {
    pub fn new(params: &Params<'_>) -> Self {
        Self {
            machine: Machine::new(params),
            current: None,
            addresses: HashSet::new(),
            ids: HashSet::new(),
            on_threads: Vec::new(),
        }
    }

    pub fn record(&mut self, offset: u64, record: &Record<'_>, report: &mut Report<'_>) {
        let kind = record.kind();
        match record {
            Record::Goroutine(goroutine) => {
                self.finish(report);
                self.goroutine(offset, goroutine, report);
            }
            Record::StackFrame(_) | Record::Defer(_) | Record::Panic(_) => {
                let Some(current) = &mut self.current else {
                    let detail = format!("a {kind} record without a goroutine");
                    return report(Violation { law: Law::GoroutineOrder, offset, detail });
                };
                // The kinds have their numbers in this order: goroutine, frame, defer, panic.
                if kind < current.last {
                    let detail = format!("a {kind} record after a {} record", current.last);
                    report(Violation { law: Law::GoroutineOrder, offset, detail });
                }
                current.last = kind;
                match record {
                    Record::StackFrame(frame) => {
                        check_fields(self.machine.pointer_size, offset, frame.fields, report);
                        current.frame(offset, frame, self.machine, report);
                    }
                    Record::Defer(defer) => {
                        let found = [defer.address, defer.goroutine];
                        current.linked(Law::DefersLinked, offset, found, current.defer, report);
                        current.defer = defer.link;
                    }
                    Record::Panic(panic) => {
                        let found = [panic.address, panic.goroutine];
                        current.linked(Law::PanicsLinked, offset, found, current.panic, report);
                        current.panic = panic.link;
                    }
                    _ => {}
                }
            }
            _ => self.finish(report),
        }
    }

    fn goroutine(&mut self, offset: u64, goroutine: &Goroutine<'_>, report: &mut Report<'_>) {
        let &Goroutine { address, sp, id, status, thread, defer, panic, .. } = goroutine;
        if !self.addresses.insert(address) || !self.ids.insert(id) {
            let detail = format!("there is another goroutine {id} or one at {address:#x}");
            report(Violation { law: Law::GoroutinesDistinct, offset, detail });
        }
        if !matches!(status, 1 | 3 | 4) {
            let detail = format!("goroutine {id} has status {status}");
            report(Violation { law: Law::GoroutineStatus, offset, detail });
        }
        if thread != 0 {
            self.on_threads.push((offset, thread));
        }
        let last = Kind::Goroutine;
        let (frames, frame, faulted, overhang) = (0, None, false, None);
        self.current =
            Some(Current { offset, address, sp, last, frames, frame, faulted, overhang, defer, panic });
    }

    /// Checks that the current goroutine has got everything it names.
    fn finish(&mut self, report: &mut Report<'_>) {
        let Some(Current { offset, defer, panic, .. }) = self.current.take() else { return };
        for (law, missing) in [(Law::DefersLinked, defer), (Law::PanicsLinked, panic)] {
            if missing != 0 {
                report(Violation { law, offset, detail: format!("{missing:#x} is not dumped") });
            }
        }
    }

    pub fn end(mut self, threads: &HashSet<u64>, report: &mut Report<'_>) {
        self.finish(report);
        for (offset, thread) in self.on_threads {
            if !threads.contains(&thread) {
                let detail = format!("no thread is at {thread:#x}");
                report(Violation { law: Law::GoroutineThread, offset, detail });
            }
        }
    }
}

impl Current {
    fn frame(&mut self, offset: u64, frame: &StackFrame<'_>, machine: Machine, report: &mut Report<'_>) {
        let Machine { pointer_size, return_pc } = machine;
        let &StackFrame { sp, depth, child_sp, contents, function, fields } = frame;
        let mut violate = |law, detail| report(Violation { law, offset, detail });
        let size = contents.len() as u64;
        if depth != self.frames {
            violate(Law::FrameDepth, format!("depth {depth} in frame {}", self.frames));
        }
        let (expected_child, expected_sp) = self.frame.unwrap_or((0, sp));
        if child_sp != expected_child {
            violate(Law::ChildSp, format!("names {child_sp:#x}, not {expected_child:#x}"));
        }
        let pushed = sp.wrapping_sub(expected_sp);
        if pushed != 0 && !(self.faulted && return_pc == 0 && pushed <= MOST_PUSHED) {
            violate(Law::FramesContiguous, format!("starts at {sp:#x}, not {expected_sp:#x}"));
        }
        if self.frames == 0 && sp != self.sp && sp.checked_sub(return_pc) != Some(self.sp) {
            violate(Law::GoroutineSp, format!("the innermost is at {sp:#x}, not {:#x}", self.sp));
        }
        let continuation_pc = if self.faulted { 0 } else { function.continuation_pc };
        for pc in [function.pc, continuation_pc] {
            if pc != 0 && pc < function.entry {
                violate(Law::FramePc, format!("{pc:#x} is before {:#x}", function.entry));
            }
        }
        // Only now is it known that the frame before is not the outermost one.
        if let Some((offset, detail)) = self.overhang.take() {
            report(Violation { law: Law::FrameFieldInside, offset, detail });
        }
        if let Some(field) = { fields }.find(|field| field.offset.saturating_add(pointer_size) > size) {
            self.overhang = Some((offset, format!("field {} of {size} bytes", field.offset)));
        }
        self.frames += 1;
        self.faulted = function.name.0 == b"runtime.sigpanic";
        self.frame = Some((sp, sp.saturating_add(size)));
    }

    fn linked(&self, law: Law, offset: u64, found: [u64; 2], expected: u64, report: &mut Report<'_>) {
        let [address, goroutine] = found;
        if address != expected || goroutine != self.address {
            let detail = format!(
                "{address:#x} of the goroutine {goroutine:#x}, not {expected:#x} of {:#x}",
                self.address
            );
            report(Violation { law, offset, detail });
        }
    }
}
