// Package ladder measures the steps between socket and handler, one rung each.
package ladder
