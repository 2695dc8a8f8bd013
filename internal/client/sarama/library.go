// Package sarama puts IBM/sarama behind the client interface.
package sarama

import _ "github.com/IBM/sarama"
