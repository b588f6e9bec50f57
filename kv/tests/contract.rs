//! What [`zephyr_kv::Store`] promises, checked on every back end. The cases are in
//! `contract/cases.rs`, the back ends under test in `contract/subject.rs`.

#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

#[path = "contract/cases.rs"]
mod cases;
#[path = "contract/subject.rs"]
mod subject;

macro_rules! contract {
    ($($case:ident)*) => {
        contract!(memory: $($case)*);
        contract!(redb: $($case)*);
        contract!(redis: $($case)*);
    };
    ($back_end:ident: $($case:ident)*) => {
        mod $back_end {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::cases::$case(&crate::subject::$back_end().await).await;
                }
            )*
        }
    };
}

contract! {
    gets_what_was_set
    keeps_every_byte_of_keys_and_values
    deletes
    forgets_what_has_expired
    a_new_value_has_its_own_time_to_live
    sets_only_over_what_was_expected
    creates_only_what_is_absent
    one_of_many_creators_wins
    counts
    counters_are_text
    counters_live_from_their_creation
    refuses_to_count_past_the_range
    refuses_to_count_on_what_is_no_counter
    counts_every_concurrent_increment
    lists_in_the_order_of_bytes
    lists_in_pages
    lists_only_the_prefix
    lists_nothing_that_is_gone
    lists_past_a_cursor_outside_the_prefix
    refuses_what_breaks_a_bound
    takes_what_meets_a_bound_exactly
}
