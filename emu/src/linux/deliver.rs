//! Delivering signals: from a machine's faults and from other threads, to handlers and back.

use heapmatrix_writer::{Addr, Memory};

use super::arch::{Delivery, signals};
use super::budget::Full;
use super::errno::Errno;
use super::process::{ExitStatus, Process, RunError};
use super::signal::{
    Action, Cause, SA_NODEFER, SA_RESETHAND, SA_RESTORER, SEGV_ACCERR, SEGV_MAPERR, SI_KERNEL, SIG_DFL,
    SIG_IGN, Signal, bit,
};
use super::thread::{CONTEXT_COST, Interrupted, PID, State, Wait};
use crate::machine::{Fault, FaultKind};

/// What executing a misaligned access costs the host, in instructions of the guest that take about as long.
const ALIGNMENT_EFFORT: u64 = 1000;

/// What delivering a signal costs the host, in instructions of the guest that take about as long.
const DELIVERY_EFFORT: u64 = 5000;

impl Process {
    /// The current thread's instruction can't be executed: that is a signal, or the engine's failure.
    pub(super) fn fault(&mut self, fault: &Fault) -> Result<(), RunError> {
        let misaligned = matches!(fault.kind, FaultKind::Misaligned { .. });
        let aligned = if misaligned { (self.linux.align)(&mut self.machine) } else { None };
        if aligned == Some(Ok(())) {
            self.effort += ALIGNMENT_EFFORT;
            return Ok(());
        }
        let Some((number, code, addr)) = self.signal_of(fault) else {
            return Err(RunError::Machine(*fault, self.symbols.describe(fault.pc)));
        };
        let action = self.actions.get(number);
        let blocked = self.thread().mask & bit(number) != 0;
        if blocked || action.handler == SIG_DFL || action.handler == SIG_IGN {
            let cause = format!("{}, at {}", fault.kind, self.symbols.describe(fault.pc));
            self.exit = Some(self.killed(number, cause));
            return Ok(());
        }
        self.deliver(Signal { number, cause: Cause::Fault { code, addr } }, action)
    }

    /// The signal that a real kernel makes of a fault: its number, code and address.
    fn signal_of(&self, fault: &Fault) -> Option<(u32, i32, u64)> {
        match fault.kind {
            FaultKind::Unmapped { addr, .. } => {
                let page = addr & !(crate::memory::PAGE - 1);
                let reserved = self.space.covers(self.machine.memory(), page, crate::memory::PAGE);
                Some((signals::SEGV, if reserved { SEGV_ACCERR } else { SEGV_MAPERR }, addr))
            }
            FaultKind::Protected { addr, .. } => Some((signals::SEGV, SEGV_ACCERR, addr)),
            FaultKind::Misaligned { addr, .. } => Some((self.linux.signals.bus, 1, addr)),
            FaultKind::Illegal => self.raised(None, fault.pc),
            FaultKind::Exception { number } => self.raised(Some(number), fault.pc),
            FaultKind::Halted => Some((signals::SEGV, SI_KERNEL, 0)),
            _ => None,
        }
    }

    /// The signal that an exception at an instruction becomes.
    fn raised(&self, number: Option<u32>, pc: u64) -> Option<(u32, i32, u64)> {
        let mut instruction = [0; 4];
        // Shorter ones may lie at the end of memory.
        for (at, byte) in (pc..).zip(instruction.chunks_mut(1)) {
            let _ = self.machine.memory().read(Addr(at), byte);
        }
        let raised = (self.linux.exception)(number, instruction)?;
        Some((raised.signal, raised.code, if raised.at_pc { pc } else { 0 }))
    }

    /// The end by a signal.
    fn killed(&self, signal: u32, cause: String) -> ExitStatus {
        ExitStatus::Killed { signal, name: self.linux.signals.name(signal), cause }
    }

    /// Lets the current thread handle the signals that wait for it.
    pub(super) fn deliver_signals(&mut self) -> Result<(), RunError> {
        while self.exit.is_none() {
            let thread = self.thread();
            let Some(signal) = thread.pending.take(thread.mask) else { break };
            let action = self.actions.get(signal.number);
            if self.actions.ignores(signal.number) {
                continue;
            }
            if action.handler == SIG_DFL {
                let cause = "sent by the process itself, and not handled".to_owned();
                self.exit = Some(self.killed(signal.number, cause));
                break;
            }
            self.deliver(signal, action)?;
        }
        Ok(())
    }

    /// Points the current thread at a handler.
    fn deliver(&mut self, signal: Signal, action: Action) -> Result<(), RunError> {
        // A handler that never returns, and faults again, executes no instruction.
        self.effort += DELIVERY_EFFORT;
        let limit = self.budget.limit();
        let charge = self.budget.take(CONTEXT_COST).map_err(|Full| RunError::Memory(limit))?;
        let context = self.machine.save().map_err(|e| RunError::Engine(e.to_string()))?;
        let sp = self.machine.sp();
        let Process { machine, linux, descriptors, .. } = self;
        let thread = self.threads.get(self.current).expect("the thread that runs exists");
        let restorer = if action.flags & SA_RESTORER != 0 { action.restorer } else { linux.sigreturn_addr() };
        let delivery = Delivery {
            linux,
            signal,
            action,
            mask: thread.mask,
            alt_stack: thread.alt_stack,
            restorer,
            descriptors: *descriptors,
        };
        match linux.frame.push(machine, &delivery) {
            Ok(frame) => {
                // The new frame lies over those of handlers that were left by other ways than returning.
                let end = thread.alt_stack.frame_end(sp, &action).max(frame + 1);
                let over: Vec<u64> = thread.interrupted.range(frame..end).map(|(&at, _)| at).collect();
                for old in over {
                    thread.interrupted.remove(&old);
                }
                thread.interrupted.insert(frame, Interrupted { context, _charge: charge });
                let own = if action.flags & SA_NODEFER != 0 { 0 } else { bit(signal.number) };
                thread.mask = (thread.mask | action.mask | own) & !linux.signals.unblockable();
                if action.flags & SA_RESETHAND != 0 {
                    self.actions.set(signal.number, Action { handler: SIG_DFL, ..action });
                }
            }
            Err(_) => {
                let sp = self.machine.sp();
                let name = self.linux.signals.name(signal.number);
                let cause = format!("no stack for the handler of {name}: sp is {sp:#x}");
                self.exit = Some(self.killed(signals::SEGV, cause));
            }
        }
        Ok(())
    }

    /// The current thread's handler has returned.
    pub(super) fn return_from_handler(&mut self) {
        let linux = self.linux;
        let frame = linux.frame.addr(&self.machine);
        let thread = self.threads.get(self.current).expect("the thread that runs exists");
        if let Some(interrupted) = thread.interrupted.remove(&frame) {
            self.machine.restore(&interrupted.context).expect("a context of this machine");
        }
        match linux.frame.pop(&mut self.machine, frame) {
            Ok(returned) => thread.mask = returned.mask & !linux.signals.unblockable(),
            Err(_) => {
                let cause = format!("a signal handler returned without a frame: there is none at {frame:#x}");
                self.exit = Some(self.killed(signals::SEGV, cause));
            }
        }
    }

    /// A signal is sent to one thread.
    pub(super) fn send_to_thread(&mut self, tid: u32, signal: Signal) {
        if self.actions.ignores(signal.number) {
            return;
        }
        let Some(thread) = self.threads.get(tid) else { return };
        thread.pending.add(signal);
        let State::Waiting(wait, _) = thread.state else { return };
        if thread.pending.is_deliverable(thread.mask) {
            if let Wait::Futex(addr) = wait {
                self.futexes.forget(addr, tid);
            }
            self.threads.unblock(tid, Some(Err(Errno::Intr)));
        }
    }

    /// A signal is sent to the process: to the first thread that doesn't block it.
    pub(super) fn send_to_process(&mut self, signal: Signal) {
        let open = self.threads.iter().find(|t| t.mask & bit(signal.number) == 0);
        let tid = open.map_or(PID, |t| t.tid);
        self.send_to_thread(tid, signal);
    }
}
