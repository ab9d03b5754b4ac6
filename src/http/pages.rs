//! Numbered pages, in and out.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;
use watchme_actors::domain::{Invalid, Page, PageRequest};

use super::check::Check;

/// A whole number; one that is too large for us to count is the largest that we can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WholeNumber(pub(crate) u32);

impl FromStr for WholeNumber {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::new("not_a_number", "must be a whole number"));
        }
        Ok(Self(text.parse().unwrap_or(u32::MAX)))
    }
}

/// The page that a query asks for; page 1 of 10 where it does not say.
pub(crate) fn requested(
    check: &mut Check,
    number: Option<&str>,
    size: Option<&str>,
) -> PageRequest {
    let mut positive = |field: &str, text: Option<&str>, default: u32| match check
        .optional::<WholeNumber>(field, text)
    {
        Some(WholeNumber(0)) => {
            check.refuse(field, Invalid::new("too_small", "must be at least 1"));
            default
        }
        Some(WholeNumber(number)) => number,
        None => default,
    };
    let number = positive("pageNumber", number, PageRequest::default().number());
    let size = positive("pageSize", size, PageRequest::default().size());
    PageRequest::new(number, size).unwrap_or_default()
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageBody<T: ToSchema> {
    /// The items of this page, in order.
    data: Vec<T>,
    /// Where this page stands in the list.
    pagination: Pagination,
}

/// Where a page stands in its list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"pageNumber": 1, "pageSize": 10, "totalPages": 7, "lastPage": false, "firstPage": true, "totalItems": 64}))]
pub(crate) struct Pagination {
    /// The page that was asked for.
    #[schema(minimum = 1)]
    page_number: u32,
    /// The size that was used: a larger one than 100 counts as 100.
    #[schema(minimum = 1, maximum = 100)]
    page_size: u32,
    /// 0 when there is nothing at all.
    #[schema(minimum = 0)]
    total_pages: u64,
    /// No page comes after this one.
    last_page: bool,
    /// No page comes before this one.
    first_page: bool,
    /// Items of the whole list.
    #[schema(minimum = 0)]
    total_items: u64,
}

impl<T: ToSchema> From<Page<T>> for PageBody<T> {
    fn from(page: Page<T>) -> Self {
        let pagination = Pagination {
            page_number: page.request.number(),
            page_size: page.request.size(),
            total_pages: page.total_pages(),
            last_page: page.is_last(),
            first_page: page.is_first(),
            total_items: page.total_items,
        };
        Self { data: page.items, pagination }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(number: Option<&str>, size: Option<&str>) -> Option<(u32, u32)> {
        let mut check = Check::query();
        let page = requested(&mut check, number, size);
        check.done().ok().map(|()| (page.number(), page.size()))
    }

    #[test]
    fn pages_are_whole_numbers_from_one_and_sizes_are_clamped() {
        assert_eq!(asked(None, None), Some((1, 10)));
        assert_eq!(asked(Some("3"), Some("500")), Some((3, 100)));
        assert_eq!(asked(Some("99999999999999999999"), None), Some((u32::MAX, 10)));
        for bad in ["0", "-1", "1.5", "+1", "", " 1", "one"] {
            assert_eq!(asked(Some(bad), None), None, "pageNumber={bad}");
            assert_eq!(asked(None, Some(bad)), None, "pageSize={bad}");
        }
    }

    #[test]
    fn the_flags_say_where_a_page_stands() {
        let body = |total_items, number| {
            let request = PageRequest::new(number, 10).unwrap();
            let page = Page { items: Vec::<String>::new(), total_items, request };
            serde_json::to_value(PageBody::from(page)).unwrap()["pagination"].clone()
        };
        let flags = |total: u64, number: u32, pages: u64, last: bool, first: bool| {
            assert_eq!(
                body(total, number),
                json!({ "pageNumber": number, "pageSize": 10, "totalPages": pages,
                        "lastPage": last, "firstPage": first, "totalItems": total }),
            );
        };
        flags(21, 1, 3, false, true);
        flags(21, 3, 3, true, false);
        flags(21, 9, 3, true, false);
        flags(0, 1, 0, true, true);
        flags(0, 5, 0, true, true);
    }
}
