//! What Linux is on each architecture: one description for each, and all that a program could see of it.
//!
//! [`Linux`] has no defaults. A new architecture is a file here that fills in every field, and a line in [`of`].

mod amd64;
mod arm;
mod arm64;
mod call;
mod convention;
mod frame;
mod i386;
mod layout;
mod mips;
mod mips_align;
mod ppc64;
mod riscv64;
mod s390x;
pub mod signals;
mod stat;

use heapmatrix_writer::AnyTarget;

use super::errno::Errno;
use super::signal::{FPE_INTDIV, ILL_ILLOPC, TRAP_BRKPT};
use super::user::Order;
use crate::machine::Machine;
use crate::memory::MemoryError;

pub use call::{Code, system_call};
pub use convention::{CloneArguments, Convention, Errors, Long};
pub use frame::{Delivery, Returned, SignalFrame};
pub use layout::{Epoll, Flock, Layouts, SigAction, SigStack};
pub use signals::Signals;
pub use stat::{BLOCK, FileSystem, Stat};

/// Linux on one architecture.
pub struct Linux {
    /// The architecture.
    pub target: AnyTarget,
    /// How integers lie in memory.
    pub order: Order,
    /// What `uname -m` says.
    pub machine: &'static str,
    /// What the auxiliary vector says of the CPU.
    pub capabilities: Capabilities,
    /// Where things lie in a process.
    pub addresses: Addresses,
    /// The system calls: a number and a name in each line, in the order of the numbers.
    pub syscalls: &'static str,
    /// How they are called, and how they answer.
    pub convention: Convention,
    /// How 64-bit arguments are passed.
    pub long: Long,
    /// The order of `clone`'s arguments.
    pub clone: CloneArguments,
    /// The errors that have other numbers than on most architectures.
    pub errnos: &'static [(Errno, u32)],
    /// The signals.
    pub signals: &'static Signals,
    /// The flags of `open` that have other values than on most architectures: theirs after those.
    pub open_flags: &'static [(u32, u32)],
    /// `MAP_ANONYMOUS`.
    pub map_anonymous: u64,
    /// The commands of `fcntl` that have no common number.
    pub fcntl: Fcntl,
    /// The requests of `ioctl`.
    pub ioctl: Ioctl,
    /// The resources of `getrlimit`.
    pub limits: ResourceLimits,
    /// The structures that are not the same everywhere.
    pub layouts: Layouts,
    /// Sets the registers that a program finds.
    pub start: fn(&mut Machine, Entry) -> Result<(), MemoryError>,
    /// Sets the address of the running thread's own storage, where that is not a segment.
    pub set_thread_pointer: fn(&mut Machine, u64) -> Result<(), Errno>,
    /// The code that a signal handler returns to if its program names none: the system call `rt_sigreturn`.
    pub sigreturn: &'static [u8],
    /// The code of a function that makes a system call, for [programs](system_call) that are made here.
    pub call: Code,
    /// The numbers of `read`, `clone`, `futex` and `exit_group`, apart from the table.
    #[cfg(test)]
    pub numbers: [u64; 4],
    /// The pages of code that the kernel gives to every process, besides that one.
    pub pages: fn() -> Vec<KernelPage>,
    /// What a signal handler finds on its stack.
    pub frame: &'static dyn SignalFrame,
    /// What becomes of an exception of the CPU: by the engine's number, or none where it knows no such instruction,
    /// and by the instruction's first bytes.
    pub exception: fn(Option<u32>, [u8; 4]) -> Option<Raised>,
    /// Whether an instruction is a hint to let others run after which the engine says that it knows no such
    /// instruction.
    pub yields: fn(u32) -> bool,
    /// Executes the load or store at the PC that was misaligned, where the kernel does so for programs: `None` if it does
    /// not, or not this one.
    pub align: fn(&mut Machine) -> Option<Result<(), Errno>>,
    /// Whether `cacheflush` is given the end of a range, and not its length.
    pub cacheflush_to_end: bool,
}

/// The description of an architecture, if processes for it can be run.
pub fn of(target: AnyTarget) -> Option<&'static Linux> {
    match target {
        AnyTarget::Amd64 => Some(&amd64::LINUX),
        AnyTarget::I386 => Some(&i386::LINUX),
        AnyTarget::Arm => Some(&arm::LINUX),
        AnyTarget::Arm64 => Some(&arm64::LINUX),
        AnyTarget::Ppc64 => Some(&ppc64::PPC64),
        AnyTarget::Ppc64le => Some(&ppc64::PPC64LE),
        AnyTarget::Mips => Some(&mips::MIPS),
        AnyTarget::Mipsle => Some(&mips::MIPSLE),
        AnyTarget::Mips64 => Some(&mips::MIPS64),
        AnyTarget::Mips64le => Some(&mips::MIPS64LE),
        AnyTarget::Riscv64 => Some(&riscv64::LINUX),
        AnyTarget::S390x => Some(&s390x::LINUX),
        // A machine of Native Client, and one that the engine lacks.
        AnyTarget::Amd64p32 | AnyTarget::Loong64 => None,
    }
}

/// How a program begins.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Where: its entry, or its descriptor.
    pub addr: u64,
    /// Whether function pointers point to descriptors.
    pub descriptors: bool,
    /// The stack pointer.
    pub sp: u64,
}

/// What the CPU can do, as `AT_PLATFORM`, `AT_HWCAP` and `AT_HWCAP2` say it. Programs pick instructions by these,
/// so they promise no more than the emulated CPUs have.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities {
    /// `AT_PLATFORM`.
    pub platform: &'static str,
    /// `AT_HWCAP`.
    pub hwcap: u64,
    /// `AT_HWCAP2`.
    pub hwcap2: u64,
}

/// Where things lie in a process.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Where position-independent programs lie.
    pub image: u64,
    /// Where the search for free addresses begins.
    pub mmap: u64,
    /// Where it ends.
    pub limit: u64,
    /// The end of the main thread's stack. The page there is where signal handlers return to.
    pub stack_top: u64,
    /// The first address that a process does not have.
    pub end: u64,
}

impl Addresses {
    /// Those of most 64-bit processes.
    pub const WIDE: Addresses = Addresses {
        image: 0x5555_5555_4000,
        mmap: 0x7f00_0000_0000,
        limit: 0x7ff0_0000_0000,
        stack_top: 0x7fff_ffff_f000,
        end: 1 << 47,
    };
    /// Those of 32-bit processes where the kernel has the last quarter.
    pub const NARROW: Addresses = Addresses {
        image: 0x5655_5000,
        mmap: 0xa000_0000,
        limit: 0xbf00_0000,
        stack_top: 0xbfff_f000,
        end: 0xc000_0000,
    };
}

/// Commands of `fcntl`.
#[derive(Clone, Copy, Debug)]
pub struct Fcntl {
    /// `F_GETLK`, `F_SETLK` and `F_SETLKW`.
    pub lock: [u64; 3],
    /// The same with offsets of 64 bits, on 32-bit machines.
    pub lock64: Option<[u64; 3]>,
    /// `F_SETOWN` and `F_GETOWN`.
    pub owner: [u64; 2],
}

impl Fcntl {
    /// Those of most 64-bit machines.
    pub const WIDE: Fcntl = Fcntl { lock: [5, 6, 7], lock64: None, owner: [8, 9] };
    /// Those of most 32-bit machines.
    pub const NARROW: Fcntl = Fcntl { lock64: Some([12, 13, 14]), ..Fcntl::WIDE };
}

/// Requests of `ioctl`.
#[derive(Clone, Copy, Debug)]
pub struct Ioctl {
    /// `FIONREAD`.
    pub readable: u32,
    /// `FIONBIO`.
    pub non_blocking: u32,
    /// `FIOCLEX`.
    pub close_on_exec: u32,
    /// `FIONCLEX`.
    pub keep_on_exec: u32,
    /// `TCGETS`.
    pub terminal: u32,
}

impl Ioctl {
    /// Those of most architectures.
    pub const GENERIC: Ioctl = Ioctl {
        readable: 0x541b,
        non_blocking: 0x5421,
        close_on_exec: 0x5451,
        keep_on_exec: 0x5450,
        terminal: 0x5401,
    };
}

/// `RLIMIT_…`.
#[derive(Clone, Copy, Debug)]
pub struct ResourceLimits {
    /// `RLIMIT_NOFILE`.
    pub files: u64,
    /// `RLIM_INFINITY` of `getrlimit`.
    pub infinity: u64,
}

impl ResourceLimits {
    /// Those of most architectures.
    pub const GENERIC: ResourceLimits = ResourceLimits { files: 7, infinity: u64::MAX };
}

/// What an exception of the CPU becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The signal.
    pub signal: u32,
    /// Its `si_code`.
    pub code: i32,
    /// Whether `si_addr` is the instruction's address; else it is zero.
    pub at_pc: bool,
}

impl Raised {
    /// An instruction that does not exist.
    pub const ILLEGAL: Raised = Raised { signal: signals::ILL, code: ILL_ILLOPC, at_pc: true };
    /// A breakpoint.
    pub const BREAKPOINT: Raised = Raised { signal: signals::TRAP, code: TRAP_BRKPT, at_pc: true };
    /// A division by zero.
    pub const DIVISION: Raised = Raised { signal: signals::FPE, code: FPE_INTDIV, at_pc: true };
}

/// A page of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPage {
    /// What it is called in `/proc/self/maps`.
    pub name: &'static str,
    /// Where it is.
    pub addr: u64,
    /// Code by its offset in the page.
    pub code: Vec<(usize, Vec<u8>)>,
}

impl Linux {
    /// Where a signal handler returns to if its program doesn't say.
    pub fn sigreturn_addr(&self) -> u64 {
        self.addresses.stack_top
    }

    /// All pages that the kernel gives to a process.
    pub fn kernel_pages(&self) -> Vec<KernelPage> {
        let code = vec![(0, self.sigreturn.to_vec())];
        let mut pages = (self.pages)();
        pages.insert(0, KernelPage { name: "[sigpage]", addr: self.sigreturn_addr(), code });
        pages
    }

    /// The number of an error.
    pub fn errno(&self, errno: Errno) -> u32 {
        let own = self.errnos.iter().find(|(other, _)| *other == errno);
        own.map_or(errno as u32, |&(_, number)| number)
    }

    /// A program's flags of `open`, in the values that are used here.
    pub fn open_flags_from(&self, flags: u32) -> u32 {
        self.open_flags.iter().fold(
            flags & !self.moved(),
            |ours, &(our, their)| {
                if flags & their != 0 { ours | our } else { ours }
            },
        )
    }

    /// Flags of `open` as the program has them.
    pub fn open_flags_to(&self, flags: u32) -> u32 {
        self.open_flags.iter().fold(flags & !self.moved(), |theirs, &(our, their)| {
            if flags & our != 0 { theirs | their } else { theirs }
        })
    }

    /// The bits that mean one thing here and another elsewhere.
    fn moved(&self) -> u32 {
        self.open_flags.iter().fold(0, |bits, (ours, theirs)| bits | ours | theirs)
    }
}

impl std::fmt::Debug for Linux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Linux({})", self.target)
    }
}

/// The start of a program that begins at its entry with nothing but a stack.
fn start(machine: &mut Machine, entry: Entry) -> Result<(), MemoryError> {
    machine.set_sp(entry.sp);
    machine.set_pc(entry.addr);
    Ok(())
}

/// An address of the thread's storage that is a register.
fn thread_register(machine: &mut Machine, addr: u64) -> Result<(), Errno> {
    machine.set(crate::machine::Register::Thread, addr).map_err(|_| Errno::NoSys)
}

/// Where all exceptions are breakpoints but those of instructions that do not exist.
fn breakpoint(number: Option<u32>, _: [u8; 4]) -> Option<Raised> {
    Some(if number.is_none() { Raised::ILLEGAL } else { Raised::BREAKPOINT })
}

/// Misaligned accesses are the program's mistake.
fn no_alignment(_: &mut Machine) -> Option<Result<(), Errno>> {
    None
}

/// No instruction is such a hint.
fn no_hint(_: u32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::super::flags::*;
    use super::super::syscalls::handler;
    use super::super::table::Table;
    use super::*;

    /// The descriptions that there are.
    fn all() -> impl Iterator<Item = &'static Linux> {
        AnyTarget::ALL.iter().copied().filter_map(of)
    }

    #[test]
    fn calls_have_their_numbers() {
        for linux in all() {
            let table = Table::new(linux.syscalls, handler);
            for (number, name) in linux.numbers.into_iter().zip(["read", "clone", "futex", "exit_group"]) {
                let call = table.get(number).unwrap();
                assert_eq!(call.name, name, "{linux:?}");
                assert!(call.handler.is_some(), "{linux:?} {name}");
            }
        }
    }

    #[test]
    fn each_is_its_targets() {
        assert!(all().count() > 4);
        for linux in all() {
            let order = Order { word: linux.target.ptr_size(), big: linux.target.big_endian() };
            assert_eq!(linux.order, order, "{linux:?}");
            assert_eq!(linux.signals.last % 64, 0);
        }
    }

    #[test]
    fn flags_of_open_come_back() {
        // fs/fcntl.h of each: O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDWR.
        let ours = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDWR;
        for linux in all() {
            let theirs = match linux.target {
                AnyTarget::Arm | AnyTarget::Arm64 | AnyTarget::Ppc64 | AnyTarget::Ppc64le => 0o2140002,
                _ => 0o2600002,
            };
            assert_eq!(
                (linux.open_flags_from(theirs), linux.open_flags_to(ours)),
                (ours, theirs),
                "{linux:?}"
            );
            for &(our, their) in linux.open_flags {
                let there = (linux.open_flags_to(our), linux.open_flags_from(their));
                assert_eq!(there, (their, our), "{linux:?}: {our:#o} is {their:#o} there");
            }
        }
        assert_eq!(arm::LINUX.open_flags_from(0o400000), 0o100000, "O_LARGEFILE");
        assert_eq!(ppc64::PPC64.open_flags_from(0o200000), 0o100000, "O_LARGEFILE");
    }
}
