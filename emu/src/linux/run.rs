//! Running a process: whose turn it is, what its system calls answer, and when it stops.

use super::clock::END_OF_TIME;
use super::errno::Errno;
use super::fd::Object;
use super::process::{ExitStatus, Process, RunError};
use super::signal::{Cause, Signal};
use super::syscalls::{Absent, absent};
use super::table::Stop;
use super::thread::{Answer, Call, Wait};
use super::timer::{Notify, TimerClock};
use crate::machine::{Exit, Fault, FaultKind, Limits};

/// Why a process has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has ended.
    Ended(ExitStatus),
    /// A thread is about to execute the instruction at the address that was asked for.
    Reached {
        /// The thread's number.
        tid: u32,
    },
    /// It has cost as many instructions as it was to, and can go on.
    Paused,
}

/// What a system call costs the host at least, in instructions of the guest that take about as long.
const CALL_EFFORT: u64 = 500;

/// How many different calls a program is told about that are not emulated.
const MAX_NOTES: usize = 100;

impl Process {
    /// Runs the process until it ends, or until one of its threads reaches the address `until`.
    ///
    /// A run that begins there passes it.
    ///
    /// # Errors
    /// [`RunError`]. The memory can be read still, and nothing else done.
    pub fn run(&mut self, until: Option<u64>) -> Result<Outcome, RunError> {
        if let Some(pc) = until {
            self.machine.set_breakpoint(pc).map_err(|e| RunError::Engine(e.to_string()))?;
        }
        let outcome = self.timed(Process::run_on);
        if let Some(pc) = until {
            self.machine.clear_breakpoint(pc);
        }
        outcome
    }

    /// Runs the process until it ends, or has cost so many instructions more: then it stands wherever it happens to be.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_for(&mut self, instructions: u64) -> Result<Outcome, RunError> {
        let limit = self.max_instructions;
        self.max_instructions = limit.min(self.cost().saturating_add(instructions));
        let outcome = self.timed(Process::run_on);
        let paused = self.max_instructions < limit;
        self.max_instructions = limit;
        match outcome {
            Err(RunError::Instructions(_)) if paused => Ok(Outcome::Paused),
            outcome => outcome,
        }
    }

    fn run_on(&mut self) -> Result<Outcome, RunError> {
        loop {
            if let Some(error) = self.output_error.take() {
                return Err(error.into());
            }
            if let Some(status) = &self.exit {
                return Ok(Outcome::Ended(status.clone()));
            }
            self.wake_those_due();
            self.expire_timers();
            self.input_came();
            let Some(tid) = self.threads.next() else {
                self.idle()?;
                continue;
            };
            self.switch_to(tid)?;
            if !self.finish_call() {
                continue;
            }
            self.deliver_signals()?;
            if self.exit.is_some() {
                continue;
            }
            if let Some(outcome) = self.execute()? {
                return Ok(outcome);
            }
        }
    }

    /// Executes the current thread until something happens, and does what is to be done about it.
    fn execute(&mut self) -> Result<Option<Outcome>, RunError> {
        let done = self.machine.instructions();
        let left = self.max_instructions.saturating_sub(self.cost());
        if left == 0 {
            return Err(RunError::Instructions(self.max_instructions));
        }
        if done >= self.slice_end {
            self.begin_turn();
        }
        let limits = Limits::instructions(left.min(self.slice_end - done));
        let pc = self.machine.pc();
        let exit = self.machine.run(pc, limits);
        self.clock.set_instructions(self.machine.instructions());
        self.thread().cpu += self.machine.instructions() - done;
        match exit {
            Ok(Exit::Trap { .. }) => self.system_call(),
            Ok(Exit::Limit { .. }) => self.threads.yield_turn(self.current),
            Ok(Exit::Breakpoint { .. }) => return Ok(Some(Outcome::Reached { tid: self.current })),
            Err(fault) if self.only_yields(&fault) => self.threads.yield_turn(self.current),
            Err(fault) => self.fault(&fault)?,
        }
        if self.budget.exhausted() {
            return Err(RunError::Memory(self.budget.limit()));
        }
        Ok(None)
    }

    /// The current thread's turn begins.
    fn begin_turn(&mut self) {
        let shorter = self.turns.next_u64() % (self.time_slice / 4 + 1);
        let done = self.machine.instructions();
        self.slice_end = done + self.time_slice - shorter;
        if let Some(quiet) = self.watch.as_mut().and_then(|watch| watch.look(done)) {
            let at = self.symbols.describe(self.machine.pc());
            self.host
                .note(&format!("{quiet}; it is at {at}, and is stopped by --max-instructions or Ctrl-C"));
        }
    }

    /// Whether a fault is only the engine's way to say that the guest has executed a hint to let
    /// others run: one after which it halts, such as Power's `or 31,31,31`, or after which it reports an
    /// illegal instruction.
    fn only_yields(&mut self, fault: &Fault) -> bool {
        let hint = match fault.kind {
            FaultKind::Halted => true,
            FaultKind::Illegal => {
                let yields = self.linux.yields;
                self.user().u32(fault.pc.wrapping_sub(4)).is_ok_and(yields)
            }
            _ => false,
        };
        // Where nothing has been executed since, the instruction after the hint is at fault itself.
        let done = Some(self.machine.instructions());
        hint && std::mem::replace(&mut self.yielded, done) != done
    }

    /// Gives the CPU to a thread.
    fn switch_to(&mut self, tid: u32) -> Result<(), RunError> {
        if tid == self.current {
            return Ok(());
        }
        let engine = |error: &dyn std::fmt::Display| RunError::Engine(error.to_string());
        if let Some(old) = self.threads.get(self.current) {
            match &mut old.context {
                Some(context) => self.machine.save_to(context).map_err(|e| engine(&e))?,
                context => *context = Some(self.machine.save().map_err(|e| engine(&e))?),
            }
        }
        let new = self.threads.get(tid).expect("a thread whose turn it is exists");
        if let Some(context) = &new.context {
            self.machine.restore(context).map_err(|e| engine(&e))?;
        }
        if let Some(segments) = &self.segments {
            segments.load(&mut self.machine, &new.segments).map_err(|e| engine(&e))?;
        }
        self.current = tid;
        self.begin_turn();
        Ok(())
    }

    /// Tells the current thread what its system call answers, if it waited in one. `false` if it
    /// goes on waiting.
    fn finish_call(&mut self) -> bool {
        match self.thread().answer.take() {
            None => true,
            Some(Answer::Result(result)) => {
                self.set_result(result);
                true
            }
            Some(Answer::Retry(call)) => {
                self.perform(call);
                // The thread may wait again, or have ended.
                let tid = self.current;
                self.threads.next() == Some(tid) && self.thread().answer.is_none()
            }
        }
    }

    /// The current thread has trapped.
    fn system_call(&mut self) {
        let (number, args) = self.linux.convention.call(&mut self.machine, self.order);
        self.perform(Call { number, args, deadline: None, again: false });
    }

    fn perform(&mut self, call: Call) {
        self.effort += CALL_EFFORT;
        let tid = self.current;
        let known = self.table.get(call.number).copied();
        if let (Some(watch), Some(call)) = (&mut self.watch, known) {
            watch.called(call.name, self.machine.instructions());
        }
        self.files.now = self.clock.wall() as i64;
        let mut answer = match known.and_then(|k| k.handler) {
            Some(handler) => handler(self, &call),
            None => Err(Stop::Absent),
        };
        if answer == Err(Stop::Absent) {
            answer = Err(self.absent(&call, known.map_or("unknown", |k| k.name)).into());
        }
        if self.host.traces() {
            let name = known.map_or_else(|| format!("call{}", call.number), |k| k.name.to_owned());
            let args: Vec<String> = call.args.iter().map(|a| format!("{a:#x}")).collect();
            self.host.trace(&format!("[{tid}] {name}({}) = {}", args.join(", "), describe(&answer)));
        }
        match answer {
            Ok(value) => self.set_result(Ok(value)),
            Err(Stop::Errno(errno)) => self.set_result(Err(errno)),
            Err(Stop::Block(wait, deadline)) => self.threads.block(tid, wait, deadline, call),
            Err(Stop::Resume | Stop::Absent) => {}
        }
    }

    /// What a call answers that is not emulated. What the program misses by it is said once.
    fn absent(&mut self, call: &Call, name: &str) -> Errno {
        let Absent { errno, says } = absent(name);
        let message = match says {
            None => return errno,
            Some("") => format!("system call {name} ({}) is not emulated: it answers ENOSYS", call.number),
            Some(message) => message.to_owned(),
        };
        // A program that tries all numbers is not told about all of them.
        if self.missed.len() < MAX_NOTES && self.missed.insert(message.clone()) {
            self.host.note(&message);
        }
        errno
    }

    /// Does what is to be done about timers that have expired.
    fn expire_timers(&mut self) {
        if self.timers.is_empty() {
            return;
        }
        let Process { timers, threads, clock, .. } = self;
        let expired = timers.expire(|of| match of {
            TimerClock::Real => clock.monotonic(),
            TimerClock::Process => clock.instructions(),
            TimerClock::Thread(tid) => threads.get(tid).map_or(0, |thread| thread.cpu),
        });
        for (notify, times) in expired {
            match notify {
                Notify::Nothing => {}
                Notify::Signal(number, code, tid) => {
                    let signal = Signal { number, cause: Cause::Sent { code, pid: 0 } };
                    match tid {
                        Some(tid) => self.send_to_thread(tid, signal),
                        None => self.send_to_process(signal),
                    }
                }
                Notify::File(open) => {
                    if let Some(open) = open.upgrade()
                        && let Object::Counter(counter) = &mut open.borrow_mut().object
                    {
                        counter.expired(times);
                    }
                    self.files_changed();
                }
            }
        }
    }

    fn set_result(&mut self, result: Result<u64, Errno>) {
        let result = result.map_err(|errno| self.linux.errno(errno));
        self.linux.convention.answer(&mut self.machine, result);
    }

    /// Something has happened to an open file: those who wait for one look again.
    pub(super) fn files_changed(&mut self) {
        for tid in self.threads.waiting_for_files() {
            self.threads.unblock(tid, None);
        }
    }

    /// Wakes the threads that have waited long enough.
    fn wake_those_due(&mut self) {
        let now = self.clock.monotonic();
        if self.threads.next_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        for (tid, wait) in self.threads.due(now) {
            let answer = match wait {
                Wait::Futex(addr) => {
                    self.futexes.forget(addr, tid);
                    Some(Err(Errno::TimedOut))
                }
                Wait::Time => Some(Ok(0)),
                Wait::File => None,
            };
            self.threads.unblock(tid, answer);
        }
    }

    /// No thread can run: time passes until one can.
    fn idle(&mut self) -> Result<(), RunError> {
        let deadlines = [self.threads.next_deadline(), self.timers.next_real()];
        let deadline = deadlines.into_iter().flatten().min();
        if self.await_input(deadline) {
            return Ok(());
        }
        // What is due after the end of time never comes.
        let deadline = deadline.filter(|&at| at <= END_OF_TIME);
        let deadline = deadline.ok_or(RunError::Deadlock(self.threads.iter().len()))?;
        self.clock.sleep_until(deadline);
        Ok(())
    }
}

fn describe(answer: &Result<u64, Stop>) -> String {
    match answer {
        Ok(value) => format!("{value:#x}"),
        Err(Stop::Errno(errno)) => format!("-{errno:?}"),
        Err(Stop::Block(wait, _)) => format!("waits: {wait:?}"),
        Err(Stop::Resume | Stop::Absent) => "?".to_owned(),
    }
}
