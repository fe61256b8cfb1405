//! What the engine calls while the guest runs.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use unicorn_engine::{
    HookType, MemType, Prot as UcPerms, RegisterX86 as X86, TlbEntry, Unicorn, X86Insn, uc_engine, uc_error,
    uc_hook_add, uc_reg_write,
};

use super::arch::{Arch, Interrupt};
use super::attach::Attached;
use super::count::Count;
use super::fault::Access;
use super::poison;
use super::slot;

/// What the hooks know and find out.
pub(super) struct State {
    pub arch: &'static Arch,
    pub count: Rc<Count>,
    /// The breakpoint at which this run begins, which does not stop it.
    pub passing: Option<u64>,
    /// Why a hook has stopped the guest.
    pub stop: Option<Stop>,
    /// The access at fault: what was wanted, at which address, of how many bytes.
    pub access: Option<(Access, u64, u64)>,
    /// What the engine has mapped, by address.
    pub attached: Vec<Attached>,
    /// Where instructions are that the engine must not see.
    pub poison: poison::Known,
}

/// Why a hook has stopped the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Trap,
    Breakpoint,
    Limit,
    /// Before an instruction that the host executes.
    Withheld,
    Illegal,
    Exception(u32),
}

impl State {
    pub fn new(arch: &'static Arch) -> Self {
        State {
            arch,
            count: Count::new(arch.encoding, arch.branches),
            passing: None,
            stop: None,
            access: None,
            attached: Vec::new(),
            poison: poison::Known::default(),
        }
    }
}

type Engine = Unicorn<'static, State>;

/// Stops the guest and notes why.
fn stop(engine: &mut Unicorn<'_, State>, why: Stop) {
    engine.get_data_mut().stop = Some(why);
    // Fails only on a handle that is no engine.
    let _ = engine.emu_stop();
}

/// Stops at traps and exceptions.
pub(super) fn on_interrupt(engine: &mut Engine) -> Result<(), uc_error> {
    engine.add_intr_hook(|engine, number| {
        let why = match (engine.get_data().arch.interrupt)(number) {
            Interrupt::Trap => Stop::Trap,
            Interrupt::Illegal => Stop::Illegal,
            Interrupt::Exception => Stop::Exception(number),
        };
        stop(engine, why);
    })?;
    Ok(())
}

/// Stops at amd64's `syscall`.
pub(super) fn on_syscall(engine: &mut Engine) -> Result<(), uc_error> {
    engine.add_insn_sys_hook(X86Insn::SYSCALL, 1, 0, |engine| stop(engine, Stop::Trap))?;
    Ok(())
}

/// Stops before the instruction at an address. Code there that was translated before must be
/// flushed.
pub(super) fn on_reaching(engine: &mut Engine, pc: u64) -> Result<unicorn_engine::UcHookId, uc_error> {
    engine.add_code_hook(pc, pc, |engine, addr, _| {
        if engine.get_data_mut().passing.take() != Some(addr) {
            stop(engine, Stop::Breakpoint);
        }
    })
}

/// Stops before an instruction that the host executes.
pub(super) fn on_withheld(engine: &mut Engine, pc: u64) -> Result<unicorn_engine::UcHookId, uc_error> {
    engine.add_code_hook(pc, pc, |engine, addr, _| {
        let state = engine.get_data_mut();
        // Whoever stops at a breakpoint comes back.
        if state.passing.take_if(|passing| *passing == addr).is_none() && state.stop.is_none() {
            stop(engine, Stop::Withheld);
        }
    })
}

/// Notes the access that is at fault. Only for as long as one is looked for: with such a hook over
/// all addresses every store takes the engine's slow path.
pub(super) fn on_bad_access(engine: &mut Engine) -> Result<unicorn_engine::UcHookId, uc_error> {
    engine.add_mem_hook(HookType::MEM_INVALID, 1, 0, |engine, kind, addr, len, _| {
        let access = match kind {
            MemType::WRITE_UNMAPPED | MemType::WRITE_PROT | MemType::WRITE => Access::Write,
            MemType::FETCH_UNMAPPED | MemType::FETCH_PROT | MemType::FETCH => Access::Fetch,
            _ => Access::Read,
        };
        engine.get_data_mut().access.get_or_insert((access, addr, len as u64));
        false
    })
}

/// Translates addresses, where the CPU's own translation is off: each address to itself.
///
/// A miss is answered with more than the access at hand, because the next access of another kind would
/// miss again. What the region forbids is granted too: the engine looks at that itself, and knows better
/// what to say. But never all three at once: stores to a page with code in its entry are slow for ever.
pub(super) fn on_tlb_miss(engine: &mut Engine) -> Result<(), uc_error> {
    engine.add_tlb_hook(1, 0, |engine, page, access| {
        let perms = match access {
            MemType::FETCH if !slot::may_fetch(engine, page) || !poison::fetched(engine, page) => {
                return None;
            }
            MemType::FETCH => UcPerms::READ | UcPerms::EXEC,
            _ => {
                slot::missed(engine);
                UcPerms::READ | UcPerms::WRITE
            }
        };
        Some(TlbEntry { paddr: page, perms })
    })?;
    Ok(())
}

/// Makes the time stamp counter of amd64 (`LONG`) and 386 count instructions: the engine's reads the
/// host's clock, and no run would be like another.
pub(super) fn on_time_stamp<const LONG: bool>(engine: &mut Engine) -> Result<(), uc_error> {
    let clock = std::ptr::from_ref(engine.get_data().count.clock());
    let hooks: [(X86Insn, TimeStamp); 2] =
        [(X86Insn::RDTSC, time_stamp::<LONG, false>), (X86Insn::RDTSCP, time_stamp::<LONG, true>)];
    for (instruction, callback) in hooks {
        let mut id = 0;
        // SAFETY: the callback has the type that the engine wants for these instructions (the crate
        // wraps only callbacks without a result, and a result is needed to replace the instruction).
        // The clock is owned by the engine's data, which outlives the engine's use of hooks.
        unsafe {
            uc_hook_add(
                engine.get_handle(),
                &mut id,
                HookType::INSN.0 as c_int,
                callback as *mut c_void,
                clock.cast_mut().cast(),
                1,
                0,
                instruction as c_int,
            )
        }
        .and(Ok(()))?;
    }
    Ok(())
}

type TimeStamp = unsafe extern "C" fn(*mut uc_engine, *mut c_void) -> c_int;

/// Executes `rdtsc` or `rdtscp` and tells the engine not to.
///
/// # Safety
/// `clock` must point to a `Cell<u64>`, and `engine` to an x86 engine that is in a hook.
unsafe extern "C" fn time_stamp<const LONG: bool, const WITH_CPU: bool>(
    engine: *mut uc_engine,
    clock: *mut c_void,
) -> c_int {
    let (ax, cx, dx) = if LONG { (X86::RAX, X86::RCX, X86::RDX) } else { (X86::EAX, X86::ECX, X86::EDX) };
    // SAFETY: the caller vouches for the pointer.
    let time = unsafe { (*clock.cast::<Cell<u64>>()).get() };
    let write = |register: X86, value: u64| {
        // SAFETY: the caller vouches for the engine, and the registers have at most 64 bits.
        unsafe { uc_reg_write(engine, register as c_int, (&raw const value).cast()) };
    };
    write(ax, time & 0xffff_ffff);
    write(dx, time >> 32);
    if WITH_CPU {
        write(cx, 0);
    }
    1
}
