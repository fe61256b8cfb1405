#![no_main]

#[global_allocator]
static ALLOCATOR: heapmatrix_fuzz::memory::Counting = heapmatrix_fuzz::memory::Counting;

libfuzzer_sys::fuzz_target!(|input: &[u8]| heapmatrix_fuzz::analysing::program(input));
