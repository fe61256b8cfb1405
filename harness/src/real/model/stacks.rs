//! Goroutines: states, frames, defers, panics.

use heapmatrix_reader::{Kind, StackFrame};

use super::dumped::Stack;
use super::roots::MAGIC;
use super::{Mismatch, Model, same, wrong};
use crate::real::known::Known;
use crate::real::report::{Traced, printed};
use crate::real::world::{Goroutine, StepKind, Wait};

/// `_Grunnable`, `_Gsyscall`, `_Gwaiting` of `runtime/runtime2.go`.
const RUNNABLE: u64 = 1;
const SYSCALL: u64 = 3;
const WAITING: u64 = 4;
/// What the guest's frame of 5,000 bytes is filled with.
const WIDE: usize = 5000;

impl Model<'_> {
    pub fn goroutines(&mut self) -> Result<(), Mismatch> {
        let report = self.report;
        let mut not_run = 0_usize;
        for traced in report.traced() {
            let Some(place) = self.dumped.goroutines.iter().position(|stack| stack.goroutine.id == traced.id)
            else {
                return wrong(
                    Kind::Goroutine,
                    format!("number {} ({}) is not in the dump", traced.id, traced.state),
                );
            };
            if traced.id == 1 {
                self.dumper(place)?;
                continue;
            }
            self.as_traced(&self.dumped.goroutines[place], &traced)?;
            // What has not run by then may have told its number after the dump.
            let of_world = report.goroutines.iter().position(|&id| id == traced.id);
            let of_world =
                of_world.map(|i| (i, &self.world.goroutines[i])).filter(|(_, g)| g.wait != Wait::Runnable);
            if let Some((i, spec)) = of_world {
                self.as_world(place, i, spec)?;
            } else if stems(&traced.frames.iter().map(|(name, _)| *name).collect::<Vec<_>>()) == ["start"] {
                not_run += 1;
            }
        }
        let expected = self.world.goroutines.iter().filter(|g| g.wait == Wait::Runnable).count();
        if !report.preempted {
            same(Kind::Goroutine, || "the number of those that have not run".to_owned(), expected, not_run)?;
        }
        for (i, id) in (0_usize..).zip(&report.goroutines) {
            let runs = self.world.goroutines[i].wait != Wait::Runnable;
            if runs && !self.dumped.goroutines.iter().any(|stack| stack.goroutine.id == *id) {
                return wrong(
                    Kind::Goroutine,
                    format!("goroutine {i} of the world, number {id}, is not in the dump"),
                );
            }
        }
        Ok(())
    }

    /// The goroutine that dumps.
    fn dumper(&mut self, place: usize) -> Result<(), Mismatch> {
        let stack = &self.dumped.goroutines[place];
        let goroutine = &stack.goroutine;
        same(Kind::Goroutine, || "the status of the one that dumps".to_owned(), WAITING, goroutine.status)?;
        let reason = goroutine.wait_reason.to_string();
        let stale = self.known_of_release(Known::DumperWaitReason);
        if reason != "dumping heap" && !stale {
            return wrong(
                Kind::Goroutine,
                format!("the one that dumps waits for {reason:?}, not \"dumping heap\""),
            );
        }
        let names: Vec<String> = stack.frames.iter().map(|frame| frame.function.name.to_string()).collect();
        for name in ["runtime/debug.WriteHeapDump", "main.main", "runtime.main"] {
            if !names.iter().any(|found| found == name) {
                return wrong(Kind::StackFrame, format!("the goroutine that dumps has no frame of {name}"));
            }
        }
        if reason != "dumping heap" {
            self.known(Known::DumperWaitReason);
        }
        Ok(())
    }

    /// What a traceback says of a goroutine.
    fn as_traced(&self, stack: &Stack<'_>, traced: &Traced<'_>) -> Result<(), Mismatch> {
        let (id, goroutine) = (traced.id, &stack.goroutine);
        let reason = goroutine.wait_reason.to_string();
        if goroutine.status == WAITING && reason != traced.state {
            return wrong(
                Kind::Goroutine,
                format!("number {id} waits for {reason:?}, not {:?}", traced.state),
            );
        }
        let status = match traced.state {
            "runnable" => RUNNABLE,
            "syscall" => SYSCALL,
            _ => WAITING,
        };
        same(Kind::Goroutine, || format!("the status of number {id}"), status, goroutine.status)?;
        if goroutine.is_system {
            return wrong(Kind::Goroutine, format!("number {id} is said to be the runtime's own"));
        }
        let frames = stack.frames.iter().map(|frame| {
            let function = &frame.function;
            (function.name.to_string(), function.pc.wrapping_sub(function.entry))
        });
        let found: Vec<_> = frames.filter(|(name, _)| name.starts_with("main.")).collect();
        let expected: Vec<_> = traced.frames.iter().filter(|(name, _)| name.starts_with("main.")).collect();
        for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
            if (printed(expected.0), expected.1) != (printed(&found.0), found.1) {
                let detail = format!("is {}+{:#x}, not {}+{:#x}", found.0, found.1, expected.0, expected.1);
                return wrong(
                    Kind::StackFrame,
                    format!("the program's frame {i} of goroutine {id} {detail}"),
                );
            }
        }
        let number = || format!("the number of the program's frames of goroutine {id}");
        same(Kind::StackFrame, number, expected.len(), found.len())
    }

    /// What the world says of a goroutine.
    fn as_world(&mut self, place: usize, i: usize, spec: &Goroutine) -> Result<(), Mismatch> {
        let stack = &self.dumped.goroutines[place];
        let (id, goroutine) = (stack.goroutine.id, &stack.goroutine);
        let status = match spec.wait {
            Wait::Yield | Wait::Runnable => RUNNABLE,
            Wait::Syscall => SYSCALL,
            _ => WAITING,
        };
        same(Kind::Goroutine, || format!("the status of number {id}"), status, goroutine.status)?;
        if spec.wait == Wait::Syscall && goroutine.thread == 0 {
            return wrong(Kind::Goroutine, format!("number {id} is in a system call, and no thread runs it"));
        }
        let created = self.report.traced().find(|traced| traced.id == id).and_then(|traced| traced.created);
        if let Some(offset) = created {
            let pc = self.report.start + offset;
            same(Kind::Goroutine, || format!("the creation pc of number {id}"), pc, goroutine.creation_pc)?;
        }
        let names: Vec<String> = stack.frames.iter().map(|frame| frame.function.name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (found, expected) = (stems(&names), chain(spec));
        if found != expected {
            let calls = |names: &[&str]| names.join(" < ");
            let detail = format!("its calls are {}, not {}", calls(&found), calls(&expected));
            return wrong(Kind::StackFrame, format!("goroutine {id}: {detail}"));
        }
        self.panics(place, spec)?;
        self.defers(place, spec)?;
        self.variables(place, i, spec)
    }

    fn panics(&self, place: usize, spec: &Goroutine) -> Result<(), Mismatch> {
        let stack = &self.dumped.goroutines[place];
        let [pointer, number] = self.report.panics;
        // The type; and the data word, where it can be told.
        let mut expected: Vec<(Option<u64>, Option<u64>)> = Vec::new();
        for step in spec.steps.iter().rev() {
            let object = (Some(pointer), Some(self.report.objects[step.object].address));
            match step.kind {
                StepKind::Panics | StepKind::Recovers => expected.push(object),
                StepKind::PanicsWithNumber => expected.push((Some(number), None)),
                StepKind::PanicsTwice => expected.extend([(Some(number), None), object]),
                StepKind::Goexits => expected.push((Some(0), Some(0))),
                StepKind::Traps => expected.push((None, None)),
                _ => {}
            }
        }
        let id = stack.goroutine.id;
        same(Kind::Panic, || format!("the number of goroutine {id}'s"), expected.len(), stack.panics.len())?;
        for (i, ((typ, data), found)) in expected.into_iter().zip(&stack.panics).enumerate() {
            let name = |field: &str| format!("the {field} of panic {i} of goroutine {id}");
            same(
                Kind::Panic,
                || name("argument type"),
                typ.unwrap_or(found.argument_type),
                found.argument_type,
            )?;
            same(Kind::Panic, || name("argument"), data.unwrap_or(found.argument_data), found.argument_data)?;
        }
        Ok(())
    }

    /// Records of defers: those in loops, and too many for a bit mask, have them.
    fn defers(&self, place: usize, spec: &Goroutine) -> Result<(), Mismatch> {
        let stack = &self.dumped.goroutines[place];
        let count = |kind: StepKind, each: fn(u64) -> u64| {
            spec.steps.iter().filter(|step| step.kind == kind).map(|step| each(step.count)).sum::<u64>()
        };
        let at_least = count(StepKind::LoopDefers, |n| n) + count(StepKind::StackDefers, |_| 9);
        let (id, found) = (stack.goroutine.id, stack.defers.len() as u64);
        if found < at_least {
            return wrong(
                Kind::Defer,
                format!("goroutine {id} has {found}, and has deferred {at_least} that need records"),
            );
        }
        Ok(())
    }

    /// What lies in frames, and what of it are pointers.
    fn variables(&mut self, place: usize, i: usize, spec: &Goroutine) -> Result<(), Mismatch> {
        let mut hidden = 0;
        let stack = &self.dumped.goroutines[place];
        let (id, word) = (stack.goroutine.id, self.layout.word);
        for (number, step) in (0_u64..).zip(&spec.steps) {
            let address = self.report.objects[step.object].address;
            let of = |name: &str| format!("main.{name}");
            match step.kind {
                StepKind::Locals => {
                    let magic = MAGIC + 4096 + i as u64 * 64 + number;
                    let frames =
                        stack.frames.iter().filter(|frame| *frame.function.name == *of("locals").as_bytes());
                    let found = frames.flat_map(|frame| {
                        (0..frame.contents.len() as u64 / word).map(move |w| (frame, w * word))
                    });
                    let mut found = found.filter(|(frame, at)| {
                        self.word(frame.contents, *at) == Some(magic)
                            && at.checked_sub(word).and_then(|at| self.word(frame.contents, at))
                                == Some(address)
                    });
                    let Some((frame, at)) = found.next() else {
                        let what = format!(
                            "of main.locals of goroutine {id} has no variable {address:#x}, {magic:#x}"
                        );
                        return wrong(Kind::StackFrame, format!("the frame {what}"));
                    };
                    hidden += u64::from(!frame.fields.clone().any(|field| field.offset == at - word));
                }
                StepKind::Arguments | StepKind::Deep => {
                    let name = if step.kind == StepKind::Deep { of("deep") } else { of("arguments") };
                    let frames = || {
                        stack
                            .frames
                            .iter()
                            .enumerate()
                            .filter(|(_, frame)| *frame.function.name == *name.as_bytes())
                    };
                    // An argument is in the frame, or among what its caller passes.
                    let has = |frame: &StackFrame<'_>| {
                        frame
                            .fields
                            .clone()
                            .any(|field| self.word(frame.contents, field.offset) == Some(address))
                    };
                    let found =
                        frames().any(|(n, frame)| has(frame) || stack.frames.get(n + 1).is_some_and(has));
                    if !found {
                        let what = format!("{name} of goroutine {id} has its argument {address:#x}");
                        return wrong(
                            Kind::StackFrame,
                            format!("no field of the frame of {what}, nor of its caller's"),
                        );
                    }
                }
                StepKind::Wide => {
                    let bytes: Vec<u8> = (0..WIDE).map(|i| i as u8).collect();
                    let mut frames =
                        stack.frames.iter().filter(|frame| *frame.function.name == *of("wide").as_bytes());
                    if !frames.any(|frame| frame.contents.windows(WIDE).any(|window| window == bytes)) {
                        let what = format!("the frame of main.wide of goroutine {id}");
                        return wrong(
                            Kind::StackFrame,
                            format!("{what} does not have the variable of {WIDE} bytes"),
                        );
                    }
                }
                _ => {}
            }
        }
        (0..hidden).for_each(|_| self.known(Known::StackVariables));
        Ok(())
    }
}

/// The guest's functions among those of a stack, by the words that the guest's source has for them.
fn stems<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let own = names.iter().filter_map(|name| name.strip_prefix("main."));
    own.map(|name| {
        let name = name.strip_prefix("(*routine).").unwrap_or(name);
        let name = name.strip_prefix("(*called1).").or(name.strip_prefix("called2.")).unwrap_or(name);
        name.split(['.', '[']).next().unwrap_or(name)
    })
    .collect()
}

/// The guest's functions that a goroutine of the world has called, the innermost first.
fn chain(spec: &Goroutine) -> Vec<&'static str> {
    let mut calls = vec!["start"];
    for step in &spec.steps {
        calls.push("next");
        let name = match step.kind {
            StepKind::Plain => "plain",
            StepKind::Arguments => "arguments",
            StepKind::Locals => "locals",
            StepKind::Wide => "wide",
            StepKind::LoopDefers => "loopDefers",
            StepKind::OpenDefers => "openDefers",
            StepKind::StackDefers => "stackDefers",
            StepKind::Closure => "closure",
            StepKind::Method | StepKind::ValueMethod => "method",
            StepKind::Generic | StepKind::GenericNumber => "generic",
            StepKind::Reflected => "reflected",
            // The closure in `next` that `reflect.MakeFunc` was given.
            StepKind::Made => "next",
            StepKind::Deep => "deep",
            StepKind::Panics => "panics",
            StepKind::PanicsWithNumber => "panicsWithNumber",
            StepKind::PanicsTwice => "panicsTwice",
            StepKind::Recovers => "recovers",
            StepKind::Goexits => "goexits",
            StepKind::Traps => "traps",
        };
        // And the deferred functions that go on.
        let times = match step.kind {
            StepKind::Deep => step.count + 1,
            StepKind::PanicsTwice => 3,
            StepKind::Panics
            | StepKind::PanicsWithNumber
            | StepKind::Recovers
            | StepKind::Goexits
            | StepKind::Traps => 2,
            _ => 1,
        };
        calls.extend((0..times).map(|_| name));
    }
    calls.extend(["next", "wait"]);
    calls.reverse();
    calls
}
