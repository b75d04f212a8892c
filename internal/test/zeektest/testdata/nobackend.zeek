##! Takes the backend away from a Zeek that has loaded one.

redef Cluster::backend = Cluster::CLUSTER_BACKEND_NONE;
