"""What stands between the network and the web application: connections, bodies, load, and where events go."""
