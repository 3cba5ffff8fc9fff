// Pause does nothing until it is told to end. It is the first process of every pod: the one that
// holds the pod's namespaces while the pod's own containers come and go.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	<-end
}
