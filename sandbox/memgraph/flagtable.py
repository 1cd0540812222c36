"""Which flags exist: the real server's (releases 3.6 to 3.12 and the development branch after it), and what they take.

Read from the DEFINE_ lines of the sources and config/flags.yaml. A new release: add its names here.
"""

from __future__ import annotations

from typing import Final

_BOOLEAN: Final = """
    allow_load_csv also_log_to_stderr audit_enabled auth_password_permit_null cartesian_product_enabled
    data_recovery_on_startup debug_query_plans h help help_xml hops_limit_partial_results log_failed_queries
    log_query_plan query_cost_planner replication_restore_state_on_startup schema_info_enabled
    storage_allow_recovery_failure storage_automatic_edge_type_index_creation_enabled
    storage_automatic_label_index_creation_enabled storage_backup_dir_enabled
    storage_delta_on_identical_property_update storage_enable_edges_metadata storage_enable_schema_metadata
    storage_gc_aggressive storage_light_edge storage_omit_vector_index_properties_on_return
    storage_parallel_index_recovery storage_parallel_schema_recovery storage_parallel_snapshot_creation
    storage_properties_on_edges storage_property_store_compression_enabled
    storage_release_recovered_snapshot_page_cache storage_release_sent_snapshot_page_cache
    storage_rocksdb_enable_thread_tracking storage_snapshot_on_exit storage_wal_enabled strict_flag_check
    telemetry_enabled version
"""
_VALUED: Final = """
    audit_buffer_flush_interval_ms audit_buffer_size auth_module_executable auth_module_mappings
    auth_module_timeout_ms auth_password_strength_regex auth_user_or_role_name_regex aws_access_key
    aws_endpoint_url aws_region aws_secret_key bolt_address bolt_cert_file bolt_key_file bolt_num_workers bolt_port
    bolt_server_name_for_init bolt_session_inactivity_timeout ca_bundle_file cluster_ca_file cluster_cert_file
    cluster_key_file coordinator_hostname coordinator_id coordinator_port data_dir_lock_acquisition_timeout_sec
    data_directory delta_chain_cache_threshold experimental_config experimental_enabled
    file_download_conn_timeout_sec flag_file init_data_file init_file instance_down_timeout_sec
    instance_health_check_frequency_sec isolation_level kafka_bootstrap_servers license_key log_file log_level
    log_min_duration_ms log_retention_days logger_type management_port memory_limit memory_warning_threshold
    metrics_address metrics_format metrics_port monitoring_address monitoring_port nuraft_log_file
    organization_name password_encryption_algorithm pulsar_service_url query_ast_cache_max_size
    query_callable_mappings_path query_execution_timeout_sec query_log_directory query_max_plans
    query_modules_directory query_plan_cache_max_size query_vertex_count_to_expand_existing
    replication_replica_check_frequency_sec scheduler storage_access_timeout_sec
    storage_floating_point_resolution_bits storage_gc_cycle_sec storage_items_per_batch storage_mode
    storage_property_store_compression_level storage_python_gc_cycle_sec storage_recovery_thread_count
    storage_rocksdb_info_log_level storage_rocksdb_keep_log_file_num storage_snapshot_interval
    storage_snapshot_interval_sec storage_snapshot_retention_count storage_snapshot_thread_count
    storage_snapshot_writeback_window_mib storage_wal_file_flush_every_n_tx storage_wal_file_size_kib
    stream_transaction_conflict_retries stream_transaction_retry_interval timezone
"""
REAL: Final[dict[str, str]] = dict.fromkeys(_BOOLEAN.split(), "bool") | dict.fromkeys(_VALUED.split(), "value")
"""Name (with underscores) -> `bool` or `value`."""
COORDINATION: Final = frozenset({"management_port", "coordinator_id", "coordinator_port"})
"""Enterprise's: an instance that has one of these isn't a community instance."""
