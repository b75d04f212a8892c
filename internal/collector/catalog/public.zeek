# What public programs send that were written for libbroccoli, by their names and types.

# The instrumented SSH server, as its third version sends it; auditing of SFTP with it.
global auth_info_3: event(ts: time, version: string, sid: string, cid: count, authmsg: string, uid: string, meth: string, s_addr: addr, s_port: port, r_addr: addr, r_port: port);
global auth_invalid_user_3: event(ts: time, version: string, sid: string, cid: count, uid: string);
global auth_key_fingerprint_3: event(ts: time, version: string, sid: string, cid: count, fingerprint: string, key_type: string);
global auth_pass_attempt_3: event(ts: time, version: string, sid: string, cid: count, uid: string, password: string);
global channel_data_client_3: event(ts: time, version: string, sid: string, cid: count, channel: count, data: string);
global channel_data_server_3: event(ts: time, version: string, sid: string, cid: count, channel: count, data: string);
global channel_data_server_sum_3: event(ts: time, version: string, sid: string, cid: count, channel: count, bytes_skip: count);
global channel_free_3: event(ts: time, version: string, sid: string, cid: count, channel: count, name: string);
global channel_new_3: event(ts: time, version: string, sid: string, cid: count, found: count, ctype: count, name: string);
global channel_notty_analysis_disable_3: event(ts: time, version: string, sid: string, cid: count, channel: count, byte_skip: int, byte_sent: int);
global channel_notty_client_data_3: event(ts: time, version: string, sid: string, cid: count, channel: count, data: string);
global channel_notty_server_data_3: event(ts: time, version: string, sid: string, cid: count, channel: count, data: string);
global channel_pass_skip_3: event(ts: time, version: string, sid: string, cid: count, channel: count);
global channel_port_open_3: event(ts: time, version: string, sid: string, cid: count, channel: count, rtype: string, l_port: port, path: string, h_port: port, rem_host: string, rem_port: port);
global channel_portfwd_req_3: event(ts: time, version: string, sid: string, cid: count, channel: count, host: string, fwd_port: count);
global channel_post_fwd_listener_3: event(ts: time, version: string, sid: string, cid: count, channel: count, l_port: port, path: string, h_port: port, rtype: string);
global channel_set_fwd_listener_3: event(ts: time, version: string, sid: string, cid: count, channel: count, c_type: count, wildcard: count, forward_host: string, l_port: port, h_port: port);
global channel_socks4_3: event(ts: time, version: string, sid: string, cid: count, channel: count, path: string, h_port: port, command: count, username: string);
global channel_socks5_3: event(ts: time, version: string, sid: string, cid: count, channel: count, path: string, h_port: port, command: count);
global session_channel_request_3: event(ts: time, version: string, sid: string, cid: count, pid: int, channel: count, rtype: string);
global session_do_auth_3: event(ts: time, version: string, sid: string, cid: count, atype: count, type_ret: count);
global session_exit_3: event(ts: time, version: string, sid: string, cid: count, channel: count, pid: count, status: count);
global session_input_channel_open_3: event(ts: time, version: string, sid: string, cid: count, type_id: count, ctype: string, rchan: int, rwindow: int, rmaxpack: int);
global session_key_exchange_3: event(ts: time, version: string, sid: string, cid: count, kx_data: string);
global session_new_3: event(ts: time, version: string, sid: string, cid: count, pid: int, ver: string);
global session_remote_do_exec_3: event(ts: time, version: string, sid: string, cid: count, channel: count, ppid: count, command: string);
global session_remote_exec_no_pty_3: event(ts: time, version: string, sid: string, cid: count, channel: count, ppid: count, command: string);
global session_remote_exec_pty_3: event(ts: time, version: string, sid: string, cid: count, channel: count, ppid: count, command: string);
global session_request_direct_tcpip_3: event(ts: time, version: string, sid: string, cid: count, channel: count, originator: string, orig_port: port, target: string, target_port: port, i: count);
global session_tun_init_3: event(ts: time, version: string, sid: string, cid: count, channel: count, mode: count);
global session_x11fwd_3: event(ts: time, version: string, sid: string, cid: count, channel: count, display: string);
global sftp_process_close_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, id: int, handle: int);
global sftp_process_do_stat_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_fsetstat_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_fstat_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_init_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, vsn: string, caddr: addr);
global sftp_process_mkdir_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_open_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_opendir_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_readdir_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_readlink_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_realpath_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_remove_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_rename_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, old_name: string, new_name: string);
global sftp_process_rmdir_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_setstat_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sftp_process_symlink_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, old_path: string, new_path: string);
global sftp_process_unknown_3: event(ts: time, version: string, sid: string, cid: count, ppid: int, data: string);
global sshd_connection_end_3: event(ts: time, version: string, sid: string, cid: count, r_addr: addr, r_port: port, l_addr: addr, l_port: port);
global sshd_connection_start_3: event(ts: time, version: string, sid: string, cid: count, int_list: string, r_addr: addr, r_port: port, l_addr: addr, l_port: port, i: count);
global sshd_exit_3: event(ts: time, version: string, sid: string, h: addr, p: port);
global sshd_restart_3: event(ts: time, version: string, sid: string, h: addr, p: port);
global sshd_server_heartbeat_3: event(ts: time, version: string, sid: string, dt: count);
global sshd_start_3: event(ts: time, version: string, sid: string, h: addr, p: port);

# barnyard2's output plugin alert_bro.
type Barnyard2::PacketID: record { src_ip: addr; src_p: port; dst_ip: addr; dst_p: port; };
type Barnyard2::AlertData: record {
	sensor_id: count; ts: time; signature_id: count; generator_id: count; signature_revision: count;
	classification_id: count; classification: string; priority_id: count; event_id: count;
};
global Barnyard2::barnyard_alert: event(id: Barnyard2::PacketID, alert: Barnyard2::AlertData, msg: string, data: string);

# The branch of suricata with an output of its own for Bro.
type suricata::PacketID: record { src_ip: addr; src_p: port; dst_ip: addr; dst_p: port; };
type suricata::AlertData: record {
	sensor_id: count; ts: time; signature_id: count; generator_id: count; signature_revision: count;
	classification_id: count; classification: string; priority_id: count; event_id: count;
};
global suricata_alert: event(id: suricata::PacketID, alert: suricata::AlertData, msg: string, content: string);

# Bro's time-machine: what it is told, and its answer.
global TimeMachine::command: event(cmd: string);
global cmd_done: event();

# BroControl and the scripts of Bro that it talks to.
global Control::id_value_request: event(id: string);
global Control::id_value_response: event(id: string, val: string);
global Control::peer_status_request: event();
global Control::peer_status_response: event(s: string);
global Control::net_stats_request: event();
global Control::net_stats_response: event(s: string);
global Control::configuration_update_request: event();
global Control::configuration_update: event();
global Control::configuration_update_response: event();
global Control::shutdown_request: event();
global Control::shutdown_response: event();
