//! Laws of goroutines: their stacks, defers and panics.

use std::collections::HashSet;

use super::heap::check_fields;
use super::{Fault, Law, Report};
use crate::{Goroutine, Kind, Params, Record, StackFrame, Version};

/// Functions that a signal handler calls in the place of what the signal came to: for a fault, to preempt a loop (Go 1.14
/// and later), and for a debugger. Source: `isInjectedCall` in `traceback.go`.
const INJECTED: [&[u8]; 3] = [SIGPANIC, b"runtime.asyncPreempt", b"runtime.debugCallV2"];
const SIGPANIC: &[u8] = b"runtime.sigpanic";

/// What of the machine shows in its stacks.
#[derive(Clone, Copy)]
struct Machine {
    pointer_size: u64,
    /// The size of a return PC that a call pushes; 0 with a link register.
    return_pc: u64,
    /// What a signal handler pushes before it calls something, beyond a return PC: the link register, and with it as
    /// much as the ABI reserves at the bottom of a frame. In bytes; `None` if the architecture is not known.
    /// Source: `gentraceback`, `pushCall` and `preparePanic`.
    pushed: Option<u64>,
}

impl Machine {
    fn new(version: Version, params: &Params<'_>) -> Self {
        let pointer_size = params.pointer_size.bytes();
        let goarch = params.goarch().map(|goarch| goarch.0);
        let return_pc = match goarch {
            Some(b"386") => 4,
            Some(b"amd64" | b"amd64p32") => 8,
            _ => 0,
        };
        let pushed = match goarch {
            Some(b"386" | b"amd64" | b"amd64p32") => Some(0),
            Some(b"ppc64" | b"ppc64le") if version != Version::Go15 => Some(32),
            Some(b"arm64") => Some(16),
            Some(
                b"arm" | b"ppc64" | b"ppc64le" | b"mips" | b"mipsle" | b"mips64" | b"mips64le" | b"riscv64"
                | b"s390x" | b"loong64",
            ) => Some(pointer_size),
            _ => None,
        };
        Self { pointer_size, return_pc, pushed }
    }

    /// Whether there may be so much between the frame of a function that a handler called and the next one.
    fn pushes(self, bytes: u64) -> bool {
        self.pushed.map_or(bytes <= 32 && bytes.is_multiple_of(self.pointer_size), |pushed| bytes == pushed)
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
    /// Whether the frame before is that of a function that a signal handler called.
    injected: bool,
    /// Whether that is `runtime.sigpanic`: then this one has faulted.
    faulted: bool,
    /// Whether it is `runtime.goexit`.
    goexit: bool,
    /// The frame before, if it has a field outside: its offset, and what is wrong.
    overhang: Option<(u64, String)>,
    /// The defer and the panic that should come next, or 0.
    defer: u64,
    panic: u64,
}

impl Laws {
    pub fn new(version: Version, params: &Params<'_>) -> Self {
        Self {
            machine: Machine::new(version, params),
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
                    return report.violation(Law::GoroutineOrder, offset, detail);
                };
                // The kinds have their numbers in this order: goroutine, frame, defer, panic.
                if kind < current.last {
                    let detail = format!("a {kind} record after a {} record", current.last);
                    report.violation(Law::GoroutineOrder, offset, detail);
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
            report.violation(Law::GoroutinesDistinct, offset, detail);
        }
        if !matches!(status, 1 | 3 | 4) {
            let detail = format!("goroutine {id} has status {status}");
            report.violation(Law::GoroutineStatus, offset, detail);
        }
        if thread != 0 {
            self.on_threads.push((offset, thread));
        }
        self.current = Some(Current {
            offset,
            address,
            sp,
            last: Kind::Goroutine,
            frames: 0,
            frame: None,
            injected: false,
            faulted: false,
            goexit: false,
            overhang: None,
            defer,
            panic,
        });
    }

    /// Checks that the current goroutine has got everything it names.
    fn finish(&mut self, report: &mut Report<'_>) {
        let Some(Current { offset, defer, panic, overhang, goexit, .. }) = self.current.take() else {
            return;
        };
        if let Some((offset, detail)) = overhang {
            if goexit {
                report.fault(Fault::GoexitArguments, offset, detail);
            } else {
                report.violation(Law::FrameFieldInside, offset, detail);
            }
        }
        for (law, missing) in [(Law::DefersLinked, defer), (Law::PanicsLinked, panic)] {
            if missing != 0 {
                report.violation(law, offset, format!("{missing:#x} is not dumped"));
            }
        }
    }

    pub fn end(mut self, threads: &HashSet<u64>, report: &mut Report<'_>) {
        self.finish(report);
        for (offset, thread) in self.on_threads {
            if !threads.contains(&thread) {
                let detail = format!("no thread is at {thread:#x}");
                report.violation(Law::GoroutineThread, offset, detail);
            }
        }
    }
}

impl Current {
    fn frame(&mut self, offset: u64, frame: &StackFrame<'_>, machine: Machine, report: &mut Report<'_>) {
        let Machine { pointer_size, return_pc, .. } = machine;
        let &StackFrame { sp, depth, child_sp, contents, function, fields } = frame;
        let mut violate = |law, detail| report.violation(law, offset, detail);
        let size = contents.len() as u64;
        if depth != self.frames {
            violate(Law::FrameDepth, format!("depth {depth} in frame {}", self.frames));
        }
        let (expected_child, expected_sp) = self.frame.unwrap_or((0, sp));
        if child_sp != expected_child {
            violate(Law::ChildSp, format!("names {child_sp:#x}, not {expected_child:#x}"));
        }
        let gap = sp.wrapping_sub(expected_sp);
        if !(if self.injected { machine.pushes(gap) } else { gap == 0 }) {
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
            report.violation(Law::FrameFieldInside, offset, detail);
        }
        if let Some(field) = { fields }.find(|field| field.offset.saturating_add(pointer_size) > size) {
            self.overhang = Some((offset, format!("field {} of {size} bytes", field.offset)));
        }
        self.frames += 1;
        self.injected = INJECTED.contains(&function.name.0);
        self.faulted = function.name.0 == SIGPANIC;
        self.goexit = function.name.0 == b"runtime.goexit";
        self.frame = Some((sp, sp.saturating_add(size)));
    }

    fn linked(&self, law: Law, offset: u64, found: [u64; 2], expected: u64, report: &mut Report<'_>) {
        let [address, goroutine] = found;
        if address != expected || goroutine != self.address {
            let detail = format!(
                "{address:#x} of the goroutine {goroutine:#x}, not {expected:#x} of {:#x}",
                self.address
            );
            report.violation(law, offset, detail);
        }
    }
}
