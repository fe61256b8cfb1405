//! Each variable, by what it contains.

use std::cell::Cell;

use heapmatrix_writer::Addr;

use super::image::{Image, Module};
use super::offsets::{Offsets, SPAN_CLASSES};

/// The most elements that are looked at in all lists together: a process that was made up cannot hold the search up.
const MOST_STEPS: u64 = 1 << 26;
/// `memProfile`.
const MEM_PROFILE: u64 = 1;
/// `maxStack` and more.
const LONGEST_STACK: u64 = 4096;
/// More bytes than a finalizer returns.
const MOST_RETURNED: u64 = 1 << 16;
/// `Kind`'s bits of a type's `Kind_`, and `Pointer`.
const KIND_MASK: u64 = 31;
const KIND_POINTER: u64 = 22;
/// `pageSize`.
const PAGE: u64 = 8192;
/// `defaultHeapMinimum`.
const HEAP_MINIMUM: u64 = 4 << 20;

pub(super) struct Search<'a> {
    pub image: &'a Image<'a>,
    pub at: &'a Offsets,
    pub module: Module,
    /// How many elements have been looked at.
    pub steps: Cell<u64>,
}

impl Search<'_> {
    /// Those that are found.
    pub(super) fn variables(&self, version: &str) -> Vec<(&'static str, Addr)> {
        let mheap = self.mheap();
        let memstats = mheap.and_then(|mheap| {
            let stat = self.image.word(mheap.checked_add(self.at.spanalloc + self.at.alloc_stat)?)?;
            stat.checked_sub(self.at.mspan_sys)
        });
        let allm = self.allm();
        let ps = allm.map_or(Vec::new(), |allm| self.ps(allm));
        [
            ("runtime.firstmoduledata", Some(self.module.addr)),
            ("runtime.mheap_", mheap),
            ("runtime.memstats", memstats),
            ("runtime.gcController", mheap.and_then(|mheap| self.gc_controller(mheap))),
            ("runtime.allm", allm),
            ("runtime.allp", self.slice(|array, len| self.are_ps(array, len, &ps))),
            ("runtime.allgs", self.slice(|array, len| self.are_gs(array, len))),
            (
                "runtime.allfin",
                self.longest(
                    self.at.fin_alllink,
                    |block| self.is_fin_block(block),
                    |block| self.waits(block),
                ),
            ),
            (
                "runtime.mbuckets",
                self.longest(self.at.bucket_allnext, |bucket| self.is_bucket(bucket), |_| true),
            ),
            ("runtime.itabTable", self.find(|_, word| self.is_itab_table(word))),
            ("runtime.buildVersion", self.find(|addr, word| self.is_string(addr, word, version))),
            ("runtime.waitReasonStrings", self.wait_reason_strings()),
            ("runtime.methodValueCallFrameObjs", self.reflect_objects()),
        ]
        .into_iter()
        .filter_map(|(name, addr)| Some((name, Addr(addr?))))
        .collect()
    }

    /// Every word where variables are, and its address.
    fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        self.module.segments.into_iter().flat_map(|segment| self.image.words(segment))
    }

    fn find(&self, is_it: impl Fn(u64, u64) -> bool) -> Option<u64> {
        self.words().find(|&(addr, word)| is_it(addr, word)).map(|(addr, _)| addr)
    }

    /// Goes on to another element; whether there may be more.
    fn step(&self) -> bool {
        self.steps.set(self.steps.get() + 1);
        !self.is_given_up()
    }

    /// Whether there were too many: what was not found may be there all the same.
    pub(super) fn is_given_up(&self) -> bool {
        self.steps.get() > MOST_STEPS
    }

    /// A field of what is at `base`.
    fn field(&self, base: u64, offset: u64) -> Option<u64> {
        self.image.word(base.checked_add(offset)?)
    }

    fn is_code(&self, pc: u64) -> bool {
        (self.module.text.0..self.module.text.1).contains(&pc)
    }

    /// Its allocator of spans has been told where it is itself, and it has lists for all classes of spans.
    fn mheap(&self) -> Option<u64> {
        let (to_arg, at) = (self.at.spanalloc + self.at.alloc_arg, self.at);
        let addr = self.find(|addr, word| {
            word != 0 && addr.checked_sub(to_arg) == Some(word) && {
                let class = |i| self.image.uint(word + at.central + i * at.central_stride + at.spanclass, 1);
                (0..SPAN_CLASSES).all(|i| class(i) == Some(i))
            }
        })?;
        Some(addr - to_arg)
    }

    /// It has the goal of collections that follows from its percentage, and counts the pages that the heap uses.
    fn gc_controller(&self, mheap: u64) -> Option<u64> {
        let at = self.at;
        let in_use = self.image.uint(mheap + at.pages_in_use, 8)?.wrapping_mul(PAGE);
        let bases = self.words().filter_map(|(addr, _)| {
            let percent = self.image.uint(addr.checked_add(at.gc_percent)?, 4)? as i32;
            let minimum = self.image.uint(addr.checked_add(at.heap_minimum)?, 8)?;
            let expected = u64::try_from(percent)
                .map_or(HEAP_MINIMUM, |percent| HEAP_MINIMUM.wrapping_mul(percent) / 100);
            if percent == 0 || minimum != expected {
                return None;
            }
            // While spans are taken and given back the two counts need not agree.
            let counted = self.image.uint(addr.checked_add(at.heap_in_use)?, 8)?;
            (counted != 0 && counted % PAGE == 0).then_some((counted.abs_diff(in_use), addr))
        });
        bases.min().map(|(_, addr)| addr)
    }

    /// The variable that points to the longest list of such elements, one of which is `wanted`: of several that point into a
    /// list it is the one to the beginning.
    fn longest(
        &self,
        link: u64,
        is_element: impl Fn(u64) -> bool,
        wanted: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let length = |first: u64| {
            let (mut length, mut element, mut found) = (0u64, first, false);
            // An element that is kept from now and then comes again in a list that loops.
            let mut kept = 0;
            while element != 0 {
                if !self.step() || element == kept || !is_element(element) {
                    return None;
                }
                found |= wanted(element);
                length += 1;
                if length.is_power_of_two() {
                    kept = element;
                }
                element = self.field(element, link)?;
            }
            found.then_some(length)
        };
        let lists = self
            .words()
            .filter(|&(_, word)| word != 0)
            .filter_map(|(addr, word)| Some((length(word)?, addr)));
        lists.max_by_key(|&(length, addr)| (length, std::cmp::Reverse(addr))).map(|(_, addr)| addr)
    }

    /// An M has a g0, which belongs to it.
    fn allm(&self) -> Option<u64> {
        let is_m = |m: u64| {
            let g0 = self.field(m, self.at.m_g0).filter(|&g0| g0 != 0);
            g0.and_then(|g0| self.field(g0, self.at.g_m)) == Some(m)
        };
        self.longest(self.at.m_alllink, is_m, |_| true)
    }

    /// The Ps that Ms hold.
    fn ps(&self, allm: u64) -> Vec<u64> {
        let first = self.image.word(allm).unwrap_or(0);
        let ms = std::iter::successors(Some(first), |&m| self.field(m, self.at.m_alllink));
        let held = ms.take_while(|&m| m != 0).take(1 << 16).filter_map(|m| self.field(m, self.at.m_p));
        held.filter(|&p| p != 0).collect()
    }

    /// A variable that is a slice, by its array and length.
    fn slice(&self, is_it: impl Fn(u64, u64) -> bool) -> Option<u64> {
        self.find(|addr, array| {
            let header = |i: u64| self.field(addr, i * self.image.ptr_size);
            let (Some(len), true) = (header(1), array != 0) else { return false };
            len != 0 && header(2).is_some_and(|cap| (len..1 << 31).contains(&cap)) && is_it(array, len)
        })
    }

    /// Ps are numbered from 0, have mcaches, and are those that Ms hold.
    fn are_ps(&self, array: u64, len: u64, held: &[u64]) -> bool {
        let p = |i: u64| self.field(array, i * self.image.ptr_size).filter(|&p| p != 0);
        let is_p = |i: u64| {
            p(i).is_some_and(|p| {
                let number = p.checked_add(self.at.p_id).and_then(|at| self.image.uint(at, 4));
                number == Some(i) && self.field(p, self.at.p_mcache).is_some_and(|mcache| mcache != 0)
            })
        };
        (0..len).all(|i| self.step() && is_p(i))
            && (held.is_empty() || (0..len).any(|i| p(i).is_some_and(|p| held.contains(&p))))
    }

    /// The first goroutine is number 1.
    fn are_gs(&self, array: u64, len: u64) -> bool {
        let g = |i: u64| self.field(array, i * self.image.ptr_size).filter(|&g| g != 0);
        let goid = |g: u64| g.checked_add(self.at.goid).and_then(|at| self.image.uint(at, 8));
        let m = |g: u64| self.field(g, self.at.g_m);
        let is_g = |i: u64| {
            g(i).is_some_and(|g| {
                // Whose M has it in the other direction, too, if it has one.
                goid(g).is_some() && m(g).is_some_and(|m| m == 0 || self.field(m, self.at.m_g0).is_some())
            })
        };
        g(0).and_then(goid) == Some(1) && (0..len).all(|i| self.step() && is_g(i))
    }

    /// A block of finalizers that wait to be run.
    fn is_fin_block(&self, block: u64) -> bool {
        let (size, room) = (self.at.finalizer_size, self.at.fin_size / self.at.finalizer_size);
        let first = block.checked_add(self.at.fin);
        let is_finalizer = |i: u64| {
            first.and_then(|first| first.checked_add(i * size)).is_some_and(|at| self.is_finalizer(at))
        };
        self.waiting(block).is_some_and(|n| n <= room && (0..n).all(is_finalizer))
    }

    /// There is code for it, which returns little, and its object has a pointer type; a cleanup of Go 1.24 has no object.
    fn is_finalizer(&self, finalizer: u64) -> bool {
        let field = |offset| self.field(finalizer, offset);
        let code =
            field(self.at.finalizer_fn).filter(|&func| func != 0).and_then(|func| self.image.word(func));
        let is_pointer = |typ: u64| {
            let kind = typ.checked_add(self.at.type_kind).and_then(|at| self.image.uint(at, 1));
            kind.is_some_and(|kind| kind & KIND_MASK == KIND_POINTER)
        };
        let types_fit = match (field(self.at.finalizer_fint), field(self.at.finalizer_ot)) {
            (Some(0), Some(0)) => true,
            (Some(fint), Some(ot)) => fint != 0 && ot != 0 && is_pointer(ot),
            _ => false,
        };
        code.is_some_and(|pc| self.is_code(pc))
            && field(self.at.finalizer_nret).is_some_and(|nret| nret < MOST_RETURNED)
            && types_fit
    }

    fn waiting(&self, block: u64) -> Option<u64> {
        self.image.uint(block.checked_add(self.at.fin_cnt)?, 4)
    }

    fn waits(&self, block: u64) -> bool {
        self.waiting(block).is_some_and(|n| n != 0)
    }

    /// A bucket of the memory profile, whose stack begins in code.
    fn is_bucket(&self, bucket: u64) -> bool {
        let field = |offset| self.field(bucket, offset);
        field(self.at.bucket_typ) == Some(MEM_PROFILE)
            && field(self.at.bucket_nstk).is_some_and(|n| (1..=LONGEST_STACK).contains(&n))
            && field(self.at.bucket_size).is_some_and(|pc| self.is_code(pc))
    }

    /// A hash table with as many entries as it counts.
    fn is_itab_table(&self, table: u64) -> bool {
        let field = |offset| self.field(table, offset);
        let (Some(size), Some(count)) = (field(self.at.itab_size), field(self.at.itab_count)) else {
            return false;
        };
        let entry = |i: u64| {
            let at = self.at.itab_entries + i * self.image.ptr_size;
            if self.step() { field(at) } else { None }
        };
        table != 0
            && size.is_power_of_two()
            && (512..1 << 24).contains(&size)
            && (1..=size).contains(&count)
            && (0..size).map(entry).try_fold(0, |n, itab| Some(n + u64::from(itab? != 0))) == Some(count)
    }

    fn is_string(&self, addr: u64, array: u64, text: &str) -> bool {
        self.field(addr, self.image.ptr_size) == Some(text.len() as u64)
            && self.image.has(array, text.as_bytes())
    }

    /// An array of strings, of which two are known.
    fn wait_reason_strings(&self) -> Option<u64> {
        let size = 2 * self.image.ptr_size;
        let known = ["GC assist marking", "IO wait"];
        let found = self.find(|addr, _| {
            known.iter().zip([0, size]).all(|(text, after)| {
                addr.checked_add(after)
                    .and_then(|at| Some((at, self.image.word(at)?)))
                    .is_some_and(|(at, array)| self.is_string(at, array, text))
            })
        })?;
        found.checked_sub(self.at.assist_marking * size)
    }

    /// The only variable of a frame of `reflect.methodValueCall`: registers, which end where the frame's variables do.
    fn reflect_objects(&self) -> Option<u64> {
        let size = self.at.reg_args;
        let below = u64::from((size.next_multiple_of(8) as u32).wrapping_neg());
        let mut integers =
            self.module.segments.into_iter().flat_map(|segment| self.image.integers(segment, 4));
        let is_it = |&(addr, off): &(u64, u64)| off == below && self.image.uint(addr + 4, 4) == Some(size);
        integers.find(is_it).map(|(addr, _)| addr)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use heapmatrix_writer::{AnyTarget, Memory, Unreadable};

    use super::*;
    use crate::Measured;

    /// A piece of memory of which each word is what a function of its address says.
    struct Words(fn(u64) -> u64);

    const START: u64 = 0x10_0000;
    const END: u64 = START + (1 << 20);

    impl Memory for Words {
        fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Unreadable> {
            let len = buf.len() as u64;
            if addr.0 < START || addr.0.checked_add(len).is_none_or(|end| end > END) {
                return Err(Unreadable { addr, len });
            }
            for (at, byte) in (addr.0..).zip(buf) {
                *byte = (self.0)(at & !7).to_le_bytes()[at as usize % 8];
            }
            Ok(())
        }
    }

    /// Nothing is found in memory that was made to look like lists, tables and slices without an end, and it does not take
    /// for ever.
    #[test]
    fn made_up_memory_does_not_hold_the_search_up() {
        let shapes: [fn(u64) -> u64; 6] = [
            |_| 0,
            // Blocks without finalizers, each of which links to itself.
            |at| if at % 0x1000 == 0 { at } else { 0 },
            // Each points to itself, to the next, or to one of a few.
            |at| at,
            |at| at + 8,
            |at| START + at % 0x1000 / 8 * 8,
            // Small numbers among pointers.
            |at| if at % 16 == 0 { START } else { 1 << 16 },
        ];
        for (i, shape) in shapes.into_iter().enumerate() {
            let (memory, begun) = (Words(shape), Instant::now());
            let layouts = Measured::new(27, AnyTarget::Amd64).unwrap();
            let at = Offsets::find(&layouts).unwrap();
            let image = Image::of(&memory, AnyTarget::Amd64);
            let segments = [(START, START + 0x1_0000), (END - 0x1000, END), (0, 0), (END, END + 0x1000)];
            let module = Module { addr: START, text: (START, END), segments };
            let search = Search { image: &image, at: &at, module, steps: Cell::new(0) };
            let found = search.variables("go1.27.3");
            let named = |name: &str| found.iter().any(|(found, _)| *found == name);
            assert!(!named("runtime.mheap_") && !named("runtime.buildVersion"), "{i}: {found:?}");
            // A list that loops has an end. Tables of which each word could be one are too much.
            assert_eq!(search.is_given_up(), i == 5, "{i}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{i}");
        }
    }
}
