// Package java measures Kafka's own performance tools.
package java
