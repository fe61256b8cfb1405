//! What a heap consists of: sizes of objects and numbers of pointers, as they are in real dumps.

/// Objects that are alike.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// The size of each, in bytes.
    pub size: u64,
    /// How many pointers each begins with.
    pub pointers: u64,
    /// How many there are, relative to the other classes.
    pub count: u64,
}

/// A distribution of objects.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// What it is called in the results.
    pub name: &'static str,
    classes: [&'static [(u64, u64, u64)]; 2],
    large: [&'static [(u64, u64, u64)]; 2],
}

/// Objects below 32 KiB as a real program of Go 1.5.4 had them: of 28 bytes on average.
pub const SMALL: Shape = Shape { name: "small", classes: [SMALL_64, SMALL_32], large: [&[], &[]] };

/// All objects of that program, large ones too: most bytes are in a few.
pub const ALL: Shape = Shape { name: "all", classes: [SMALL_64, SMALL_32], large: [LARGE_64, LARGE_32] };

impl Shape {
    /// The classes of objects on a machine with pointers of so many bytes.
    pub fn classes(&self, ptr_size: u64) -> Vec<Class> {
        let machine = usize::from(ptr_size == 4);
        let all = self.classes[machine].iter().chain(self.large[machine]);
        all.map(|&(size, pointers, count)| Class { size, pointers, count }).collect()
    }
}

// The figures are (size, pointers, count) of the object records of two dumps that one program wrote, built by Go
// 1.5.4 for amd64 and for 386: strings, slices, maps, channels, closures and a tree. Classes of less than
// a thousandth of the bytes are left out.
const SMALL_64: &[(u64, u64, u64)] = &[
    (16, 0, 13007),
    (144, 0, 300),
    (48, 4, 538),
    (128, 10, 150),
    (16, 1, 1032),
    (32, 2, 495),
    (48, 3, 318),
    (13568, 1088, 1),
    (13568, 576, 1),
    (96, 6, 121),
    (384, 11, 28),
    (5376, 555, 2),
    (64, 4, 151),
    (32, 1, 301),
    (8192, 512, 1),
    (6656, 544, 1),
    (1152, 14, 4),
    (4096, 0, 1),
    (96, 0, 36),
    (1664, 136, 2),
    (32, 0, 95),
];
const LARGE_64: &[(u64, u64, u64)] = &[(1048576, 0, 1), (262144, 32768, 1), (106496, 0, 1), (40960, 5120, 1)];
const SMALL_32: &[(u64, u64, u64)] = &[
    (16, 0, 13007),
    (24576, 6144, 1),
    (80, 0, 302),
    (32, 4, 689),
    (32, 2, 503),
    (32, 3, 320),
    (64, 10, 150),
    (8, 1, 1067),
    (64, 6, 121),
    (224, 11, 32),
    (6912, 1088, 1),
    (6912, 576, 1),
    (2560, 555, 2),
    (16, 1, 301),
    (704, 14, 6),
    (4096, 0, 1),
    (4096, 544, 1),
    (4096, 512, 1),
    (32, 0, 95),
    (64, 0, 37),
];
const LARGE_32: &[(u64, u64, u64)] = &[(1048576, 0, 1), (131072, 32768, 1), (106496, 0, 1)];
