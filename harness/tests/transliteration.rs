//! Oracle 3 on the catalogue: the transliteration writes the same bytes as the writer, and at the
//! reference's capacity in the same sequence of writes.

#[path = "common/recorder.rs"]
mod recorder;

use heapmatrix::matrix;
use heapmatrix::oracle::literal::{Fixes, writeheapdump};
use heapmatrix_emu::world::catalog::catalog;
use heapmatrix_writer::go15::Program;
use heapmatrix_writer::{Addr, AnyTarget, Dialect, Options, write_heap_dump};
use recorder::Recorder;

fn catalogue(target: AnyTarget, dialect: Dialect, fixes: Fixes) {
    for case in catalog() {
        let finished = matrix::build(&case.world, target).unwrap();
        // Where the system puts `tmpbuf`: which piece it was, and how long, can be told from its address.
        let sys_alloc = |len: u64| Addr(0x7000_0000 + 8 * len);
        let program = Program { sys_alloc: Some(&sys_alloc), ..Program::new(&finished.symbols, dialect) };
        let options = Options { capacity: Options::REFERENCE_CAPACITY, ..Options::default() };
        let mut out = Recorder::default();
        write_heap_dump(target, &finished.memory, &program, &options, &mut out)
            .unwrap_or_else(|error| panic!("{} on {target}: {error}", case.name));
        let literal = writeheapdump(target, &finished.memory, &finished.symbols, fixes, Some(&sys_alloc))
            .unwrap_or_else(|stop| panic!("{} on {target}: {stop:?}", case.name));
        let differs = out.bytes.iter().zip(&literal.bytes).position(|(a, b)| a != b);
        assert!(
            out.bytes == literal.bytes,
            "{} on {target}: {} bytes and {} bytes, first difference at {differs:x?}",
            case.name,
            out.bytes.len(),
            literal.bytes.len()
        );
        let split = dialect == Dialect::Go15Exact && !finished.symbols.buf.is_nil();
        assert!(
            out.came_in(literal.writes.iter().map(|write| write.written), split),
            "{} on {target}: sequence of writes: {:?} and {:?}",
            case.name,
            out.pieces,
            literal.writes
        );
    }
}

fn what_the_format_means(target: AnyTarget) {
    catalogue(target, Dialect::Go15, Fixes::ALL);
}

fn what_go_1_5_writes(target: AnyTarget) {
    catalogue(target, Dialect::Go15Exact, Fixes::NONE);
}

heapmatrix_emu::each_machine!(what_the_format_means, what_go_1_5_writes);
