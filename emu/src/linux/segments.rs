//! 386's segments: where its threads keep their own storage.

use heapmatrix_writer::AnyTarget;
use unicorn_engine::uc_error;

use crate::machine::{EngineError, Machine, Segment, Table};
use crate::memory::Prot;

/// The tables lie above all addresses of the process.
const GDT: u32 = 0xfffd_0000;
const GDT_BYTES: u16 = 4096;
const LDT: u32 = 0xfffe_0000;
const LDT_BYTES: u16 = 0xf000;

/// The entries for flat code and data. The emulated CPU is in ring 0.
const CODE: u16 = 1;
const DATA: u16 = 2;
/// The first entry of the global table that belongs to the thread, of [`TLS_ENTRIES`].
pub const FIRST_TLS_ENTRY: u32 = 6;
/// How many there are.
pub const TLS_ENTRIES: usize = 3;

/// The bit of a selector that says the process's own table.
const LOCAL: u16 = 4;

/// A segment for the process: present, ring 3, data, writable, accessed.
const USER_DATA: u8 = 0xf3;
const KERNEL_DATA: u8 = 0x93;
const KERNEL_CODE: u8 = 0x9b;

/// A descriptor of 4 GiB in pages, 32-bit, from `base` on.
fn descriptor(base: u32, access: u8) -> [u8; 8] {
    let [b0, b1, b2, b3] = base.to_le_bytes();
    [0xff, 0xff, b0, b1, b2, access, 0xcf, b3]
}

/// The bases of a thread's own entries in the global table.
pub type ThreadSegments = [Option<u32>; TLS_ENTRIES];

/// The descriptor tables of a 386 process.
#[derive(Debug)]
pub struct Segments(());

impl Segments {
    /// Gives a 386 its tables and loads its segment registers; does nothing on the others.
    pub fn set_up(machine: &mut Machine) -> Result<Option<Self>, EngineError> {
        if machine.target() != AnyTarget::I386 {
            return Ok(None);
        }
        let tables = [("[gdt]", GDT, u64::from(GDT_BYTES)), ("[ldt]", LDT, u64::from(LDT_BYTES))];
        for (name, addr, len) in tables {
            machine
                .memory_mut()
                .map(name, addr.into(), len, Prot::READ_WRITE)
                .map_err(|_| EngineError(uc_error::MAP))?;
        }
        put(machine, GDT, CODE, descriptor(0, KERNEL_CODE))?;
        put(machine, GDT, DATA, descriptor(0, KERNEL_DATA))?;
        machine.set_descriptor_table(Table::Global, GDT, GDT_BYTES)?;
        machine.set_descriptor_table(Table::Local, LDT, LDT_BYTES)?;
        machine.set_segment(Segment::Cs, CODE << 3)?;
        for segment in [Segment::Ss, Segment::Ds, Segment::Es] {
            machine.set_segment(segment, DATA << 3)?;
        }
        Ok(Some(Segments(())))
    }

    /// Sets an entry of the process's own table: `modify_ldt`.
    pub fn set_local(&self, machine: &mut Machine, entry: u32, base: u32) -> Result<(), EngineError> {
        let entry = u16::try_from(entry)
            .ok()
            .filter(|e| e.saturating_mul(8) < LDT_BYTES)
            .ok_or(EngineError(uc_error::ARG))?;
        put(machine, LDT, entry, descriptor(base, USER_DATA))
    }

    /// Gives the CPU to a thread that has these entries: puts them into the global table, and has the segment
    /// registers that select one of them loaded anew.
    ///
    /// A thread's CPU brings the bases along that it had when it was saved, but its entries may have changed
    /// since, or be another's as after `clone`.
    pub fn select(&self, machine: &mut Machine, entries: &ThreadSegments) -> Result<(), EngineError> {
        self.load(machine, entries)?;
        for segment in [Segment::Fs, Segment::Gs] {
            let selector = machine.segment(segment)?;
            let entry = (u32::from(selector >> 3)).checked_sub(FIRST_TLS_ENTRY).map(|e| e as usize);
            if selector & LOCAL == 0 && entry.is_some_and(|e| entries.get(e).is_some_and(Option::is_some)) {
                machine.set_segment(segment, selector)?;
            }
        }
        Ok(())
    }

    /// Puts a thread's entries into the global table, when it gets the CPU.
    pub fn load(&self, machine: &mut Machine, entries: &ThreadSegments) -> Result<(), EngineError> {
        for (entry, base) in (FIRST_TLS_ENTRY as u16..).zip(entries) {
            put(machine, GDT, entry, base.map_or([0; 8], |base| descriptor(base, USER_DATA)))?;
        }
        Ok(())
    }
}

fn put(machine: &mut Machine, table: u32, entry: u16, descriptor: [u8; 8]) -> Result<(), EngineError> {
    let addr = u64::from(table) + 8 * u64::from(entry);
    machine.memory_mut().write(addr, &descriptor).map_err(|_| EngineError(uc_error::WRITE_UNMAPPED))
}
