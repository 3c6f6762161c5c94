"""GPU pools: devices, leases, the cost model."""
