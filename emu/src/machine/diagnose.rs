//! What was wrong, and at which instruction: the engine's word for it is an error, an exception, or less.

use unicorn_engine::uc_error;

use super::arch::ExceptionPc;
use super::{Access, EngineError, Fault, FaultKind, Machine, hooks};

impl Machine {
    pub(super) fn fault(&self, pc: u64, kind: FaultKind) -> Fault {
        Fault { target: self.arch.target, pc, kind }
    }

    /// A fault that came as an exception, after whose instruction the engine may stand.
    pub(super) fn exception(&mut self, pc: u64, kind: FaultKind) -> Fault {
        let pc = self.raised_at(pc, kind);
        self.set_pc(pc);
        self.stopped_at(pc);
        self.forget_exception();
        self.fault(pc, kind)
    }

    /// Moves the PC to the instruction that the engine's error is about.
    fn raised_by_error(&mut self, pc: u64, kind: FaultKind) -> u64 {
        let ExceptionPc::Lost(find) = self.arch.exception_pc else { return pc };
        let pc = find(self, self.engine.get_data().count.block(), kind).unwrap_or(pc);
        self.set_pc(pc);
        pc
    }

    /// The address of the instruction that has raised an exception, where the engine's PC is now at `pc`.
    pub(super) fn raised_at(&self, pc: u64, kind: FaultKind) -> u64 {
        match self.arch.exception_pc {
            ExceptionPc::Exact => pc,
            ExceptionPc::Past(bytes) => pc.wrapping_sub(bytes),
            ExceptionPc::Lost(find) => find(self, self.engine.get_data().count.block(), kind).unwrap_or(pc),
        }
    }

    /// A fault that came as the engine's error.
    pub(super) fn diagnose(&mut self, pc: u64, error: uc_error) -> Fault {
        let misaligned = |access| FaultKind::Misaligned { access, addr: pc };
        let pc = match error {
            uc_error::READ_UNALIGNED => self.raised_by_error(pc, misaligned(Access::Read)),
            uc_error::WRITE_UNALIGNED => self.raised_by_error(pc, misaligned(Access::Write)),
            _ => pc,
        };
        let misaligned = |access| FaultKind::Misaligned { access, addr: pc };
        let failed = self.failed_in_slot(pc, error);
        let pc = failed.map_or(pc, |(slot, _)| slot);
        // An access in a delay slot is executed with its branch once more, or not at all.
        let stands = self.branch_of(pc).unwrap_or(pc);
        self.stopped_at(stands);
        let known = failed.map(|(_, kind)| kind).or_else(|| self.failed_to_fetch(pc, error));
        let kind = known.unwrap_or_else(|| match error {
            uc_error::READ_UNMAPPED | uc_error::READ_PROT => self.bad_access(pc, Access::Read),
            uc_error::WRITE_UNMAPPED | uc_error::WRITE_PROT => self.bad_access(pc, Access::Write),
            uc_error::FETCH_UNMAPPED | uc_error::FETCH_PROT => self.bad_access(pc, Access::Fetch),
            uc_error::READ_UNALIGNED => misaligned(Access::Read),
            uc_error::WRITE_UNALIGNED => misaligned(Access::Write),
            uc_error::FETCH_UNALIGNED => misaligned(Access::Fetch),
            uc_error::INSN_INVALID => FaultKind::Illegal,
            error => FaultKind::Engine(EngineError(error)),
        });
        if self.pc() != stands {
            self.set_pc(stands);
        }
        self.fault(stands, kind)
    }

    /// Finds out which access the instruction at `pc` has failed in.
    ///
    /// The engine does not tell, except to a hook that slows all stores down. So the instruction, which
    /// has changed nothing, is executed once more, with the hook.
    fn bad_access(&mut self, pc: u64, access: Access) -> FaultKind {
        let found = self.probe(pc).unwrap_or(None);
        let (access, addr, len) = found.unwrap_or((access, pc, 0));
        match self.memory.region_at(addr) {
            Some(r) => FaultKind::Protected { access, addr, len, region: r.name(), prot: r.prot() },
            None => FaultKind::Unmapped { access, addr, len },
        }
    }

    fn probe(&mut self, pc: u64) -> Result<Option<(Access, u64, u64)>, uc_error> {
        let before = self.engine.context_init()?;
        let hook = hooks::on_bad_access(&mut self.engine)?;
        let state = self.engine.get_data_mut();
        state.count.pause(true);
        state.passing = Some(pc);
        let outcome = self.start(pc);
        let state = self.engine.get_data_mut();
        state.count.pause(false);
        state.stop = None;
        let found = state.access.take();
        self.engine.remove_hook(hook)?;
        self.engine.context_restore(&before)?;
        Ok(found.filter(|_| outcome.is_err()))
    }
}
