//! The size classes of small objects (msize.go).

use std::sync::LazyLock;

/// `_PageSize`: bytes in a page of the heap.
pub(crate) const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;
/// `_PageShift`.
pub(crate) const PAGE_SHIFT: u32 = 13;
/// `_MaxSmallSize`: larger objects have a span of their own.
pub(crate) const MAX_SMALL_SIZE: u64 = 32 << 10;
/// `maxTinySize`: bytes in a block of the tiny allocator.
pub(crate) const MAX_TINY_SIZE: u64 = 16;
/// `_NumSizeClasses`, with class 0, which is of no size.
pub(crate) const NUM_SIZE_CLASSES: usize = 67;

/// A size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SizeClass {
    /// `class_to_size`: bytes in an object.
    pub size: u64,
    /// `class_to_allocnpages`: pages in a span.
    pub pages: u64,
}

static CLASSES: LazyLock<Vec<SizeClass>> = LazyLock::new(init_sizes);

/// The size classes, with class 0 first.
pub(crate) fn size_classes() -> &'static [SizeClass] {
    &CLASSES
}

/// `sizeToClass`: the class of the smallest objects that hold so many bytes, at most [`MAX_SMALL_SIZE`].
pub(crate) fn size_to_class(size: u64) -> usize {
    CLASSES[1..].partition_point(|class| class.size < size) + 1
}

/// `initSizes`: a class for every size that wastes less than an eighth of its span.
fn init_sizes() -> Vec<SizeClass> {
    let mut classes = vec![SizeClass::default()];
    let mut align = 8;
    let mut size = align;
    while size <= MAX_SMALL_SIZE {
        if size.is_power_of_two() {
            if size >= 2048 {
                align = 256;
            } else if size >= 128 {
                align = size / 8;
            } else if size >= 16 {
                align = 16;
            }
        }
        let mut span = PAGE_SIZE;
        while span % size > span / 8 {
            span += PAGE_SIZE;
        }
        let pages = span >> PAGE_SHIFT;
        match classes.last_mut() {
            // As many objects of the larger size fit into the same span.
            Some(last) if last.pages == pages && span / size == span / last.size => last.size = size,
            _ => classes.push(SizeClass { size, pages }),
        }
        size += align;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_are_those_of_go() {
        assert_eq!(size_classes().len(), NUM_SIZE_CLASSES);
        let sizes: Vec<u64> = size_classes().iter().map(|c| c.size).collect();
        assert_eq!(sizes[..12], [0, 8, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160]);
        assert_eq!(sizes[NUM_SIZE_CLASSES - 1], MAX_SMALL_SIZE);
    }

    #[test]
    fn a_size_goes_to_the_smallest_class_that_holds_it() {
        for size in 1..=MAX_SMALL_SIZE {
            let class = size_to_class(size);
            assert!(size_classes()[class].size >= size && size_classes()[class - 1].size < size, "{size}");
        }
    }
}
