@load listen-clear
const cluster = F &redef;

@ifdef ( listen_port_clear )
redef listen_port_clear = 47758/tcp;
@endif
@ifdef ( listen_port_ssl )
redef listen_port_ssl = not even a value } ;
@else
@if ( cluster || Cluster::is_enabled() )
nonsense {
@if ( T )
@endif
@else
redef Remote::destinations += { ["a"] = [$host=10.0.0.1,
@ifndef ( cluster )
	$class="not this",
@else
	$class="this",
@endif
	$events=/a/] };
@endif
@endif

@ifdef ( Notice::policy )
global whatever = 1;
@else
event x() { }
@endif
