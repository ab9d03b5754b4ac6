//! SQL, MongoDB and TMDb cut off one at a time: what is answered meanwhile, and how soon after.

mod mongodb;
mod seen;
mod sql;
mod tmdb;
mod watch;

use std::{sync::Arc, time::Duration};

pub use mongodb::away as mongodb;
pub use sql::away as sql;
pub use tmdb::away as tmdb;

use crate::{
    load::{self, Load, Marker, Tally},
    replica::Replica,
    size::Size,
    world::{World, seed},
};
use watch::Asker;

/// 503 comes within this.
const REFUSAL: Duration = Duration::from_secs(3);
/// Everything works again within this.
const RETURN: Duration = Duration::from_secs(5);
/// Those who mark all the time, and how many acts a second they come to.
const MARKERS: u32 = 8;
const RATE: u32 = 20;

fn outage(size: Size) -> Duration {
    size.pick(Duration::from_secs(6), Duration::from_secs(60))
}

/// One replica, somebody who asks everything, and others who mark from beginning to end.
struct Scene {
    world: World,
    replica: Replica,
    asker: Asker,
    tally: Arc<Tally>,
    markers: Vec<Marker>,
}

impl Scene {
    /// In a world whose replicas can be started, and where there is something to subscribe to.
    async fn of(world: World, replica: Replica) -> Self {
        let client = replica.client();
        let user = load::subscriber(&client, watch::NAME.to_owned()).await;
        let movies = load::movies(std::slice::from_ref(&replica), &user).await;
        let users = load::subscribers(&client, MARKERS, "marker").await;
        let asker = Asker::new(user, &movies).await;
        let tally = Arc::<Tally>::default();
        let bases = vec![replica.base()];
        let load = Load { bases, acts: u32::MAX, rate: Some(RATE), seed: seed() };
        let markers = load::start(&users, &movies, &load, &tally);
        Self { world, replica, asker, tally, markers }
    }

    async fn on_engines() -> Self {
        let world = World::engines().await;
        let replica = world.replicas(1).await.remove(0);
        Self::of(world, replica).await
    }

    /// Ends the marking: what was answered is there, and in the reports. What was done, in words.
    async fn end(mut self) -> String {
        let answered = load::end(self.markers, &self.tally).await;
        self.world.oracle().check(&answered, Duration::from_secs(60)).await;
        self.replica.terminate();
        format!(
            "{} acts answered meanwhile, {} sent again: 0 lost, 0 double",
            self.tally.answered(),
            self.tally.refused()
        )
    }
}
