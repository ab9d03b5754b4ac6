//! Contract of the `watch_log` port.

mod entitled;
mod marks;
mod plays;
mod reading;

pub use self::{entitled::*, marks::*, plays::*, reading::*};

/// Makes one test for each case of these suites.
#[macro_export]
macro_rules! watch_log_contract {
    ($make:path) => {
        $crate::contract_cases!(
            watch_log,
            $make,
            [
                a_new_mark_is_kept_with_its_play_and_event,
                a_new_mark_keeps_its_viewing,
                marking_again_changes_nothing,
                marking_at_once_makes_one,
                another_viewing_corrects_the_latest_play,
                a_correction_of_precision_is_no_event,
                a_correction_may_make_another_play_the_latest,
                unmarking_removes_everything_of_the_mark,
                numbers_have_no_gap,
                numbers_have_no_gap_at_once,
                the_last_film_is_the_latest_viewing,
                events_add_up_to_the_history,
                a_new_mark_is_refused_in_order,
                the_mode_decides,
                a_subscription_counts_between_its_ends,
                archived_packages_and_several_of_them_count,
                the_floor_counts_at_once,
                no_mark_passes_a_cancellation,
                marks_beside_a_cancellation_come_before_it,
                marks_beside_a_lowering_come_before_it,
                a_later_play_moves_the_mark,
                an_earlier_play_is_no_event,
                plays_are_refused_with_their_reason,
                deleting_a_play_moves_the_mark_back,
                deleting_the_last_play_unmarks,
                ties_go_to_the_highest_play,
                a_mark_has_only_so_many_plays,
                a_repeated_play_is_added_once,
                marks_come_latest_first_with_ties_by_mark,
                marks_are_filtered,
                when_a_movie_was_watched_is_told,
                a_history_is_one_snapshot,
                sequences_are_told_of_accounts_that_exist,
                users_are_walked_through_in_order,
                changes_are_found_by_their_time,
                users_who_are_gone_are_found_by_their_time,
            ]
        );
    };
}
