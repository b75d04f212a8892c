@ifdef ( Some::thing )
@unload more
@endif
@load more
