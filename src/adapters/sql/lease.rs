//! The port of leases.

use std::time::Duration;

use async_trait::async_trait;
use watchme_actors::ports::{Lease, LeaseOwner, StoreError};

use super::{
    SqlStore,
    errors::{Db, is_taken, store_error},
};

#[async_trait]
impl Lease for SqlStore {
    async fn acquire(
        &self,
        name: &str,
        owner: LeaseOwner,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let owner = &owner.to_string();
        // Bounded, so that the sum with the clock cannot overflow.
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).min(i64::from(u32::MAX));
        self.write_on(|mut tx| async move {
            let taken = sqlx::query(self.dialect.take_lease())
                .bind(owner.as_str())
                .bind(ttl)
                .bind(name)
                .bind(owner.as_str())
                .execute(&mut *tx)
                .await
                .db()?;
            if taken.rows_affected() > 0 {
                return Ok(true);
            }
            let first = sqlx::query(self.dialect.first_lease())
                .bind(name)
                .bind(owner.as_str())
                .bind(ttl)
                .execute(&mut *tx)
                .await;
            match first {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(store_error(&error)),
            }
        })
        .await
    }

    async fn release(&self, name: &str, owner: LeaseOwner) -> Result<(), StoreError> {
        self.write_on(|mut tx| async move {
            sqlx::query("DELETE FROM leases WHERE name = ? AND owner = ?")
                .bind(name)
                .bind(owner.to_string())
                .execute(&mut *tx)
                .await
                .db()?;
            Ok(())
        })
        .await
    }
}
