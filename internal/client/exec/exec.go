// Package exec measures a client that is somebody else's program.
package exec
