//! Numbered pages of lists.

/// The most items that one page holds; larger requests are clamped to it.
pub const MAX_PAGE_SIZE: u32 = 100;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageRequest {
    number: u32,
    size: u32,
}

impl PageRequest {
    /// Page `number` (from 1) of `size` items; a size over [`MAX_PAGE_SIZE`] is clamped.
    /// `None` when either is 0.
    #[must_use]
    pub fn new(number: u32, size: u32) -> Option<Self> {
        (number > 0 && size > 0).then_some(Self { number, size: size.min(MAX_PAGE_SIZE) })
    }

    /// From 1.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Items a page, from 1 to [`MAX_PAGE_SIZE`].
    #[must_use]
    pub fn size(self) -> u32 {
        self.size
    }

    /// How many items stand before this page.
    #[must_use]
    pub fn offset(self) -> u64 {
        u64::from(self.number - 1) * u64::from(self.size)
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { number: 1, size: 10 }
    }
}

/// One page of a list, with the count of the whole list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items of this page, in order.
    pub items: Vec<T>,
    /// Items of the whole list.
    pub total_items: u64,
    /// What was asked for.
    pub request: PageRequest,
}

impl<T> Page<T> {
    /// A page of a list that has nothing.
    #[must_use]
    pub fn empty(request: PageRequest) -> Self {
        Self { items: Vec::new(), total_items: 0, request }
    }

    /// Cuts one page out of a whole list.
    #[must_use]
    pub fn cut(list: impl ExactSizeIterator<Item = T>, request: PageRequest) -> Self {
        let total_items = list.len() as u64;
        let skip = usize::try_from(request.offset()).unwrap_or(usize::MAX);
        Self {
            items: list.skip(skip).take(request.size() as usize).collect(),
            total_items,
            request,
        }
    }

    /// Pages in the whole list; 0 when it has nothing.
    #[must_use]
    pub fn total_pages(&self) -> u64 {
        self.total_items.div_ceil(u64::from(self.request.size()))
    }

    /// Whether no page comes before this one.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.request.number() == 1 || self.total_items == 0
    }

    /// Whether no page comes after this one.
    #[must_use]
    pub fn is_last(&self) -> bool {
        u64::from(self.request.number()) >= self.total_pages()
    }

    /// The same page with every item changed.
    #[must_use]
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            total_items: self.total_items,
            request: self.request,
        }
    }
}
