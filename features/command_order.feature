@reads
Feature: Commands in the wrong order
  The boot ROM takes an image only step by step: header, then segment header and data for each segment,
  then check, then run. Anything out of turn is answered FL0104 and changes nothing.

  Scenario Outline: Out of turn: <what>
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "<vector>"
    Then the last answer is <answer>
    And no fuse was burnt

    Examples:
      | what                                | vector                       | answer |
      | a public key without a header       | 12 in state 0, 68 bytes      | FL0104 |
      | a signature without a header        | 14 in state 0, 72 bytes      | FL0104 |
      | an AES block without a header       | 16 in state 0, 20 bytes      | FL0104 |
      | a segment header without a header   | 17 in state 0, 16 bytes      | FL0104 |
      | data without a header               | 18 in state 0, 16 bytes      | FL0104 |
      | check without an image              | 19 in state 0, 0 bytes       | FL0216 |
      | run without an image                | 1a in state 0, 0 bytes       | FL0104 |
      | data before their segment header    | data before segment header   | FL0104 |
      | a second segment header             | segment header twice         | FL0104 |
      | data after the last byte            | data after the last byte     | FL0104 |
      | check before all data are there     | check too early              | FL0216 |
      | run before check                    | run without check            | FL0104 |
      | the check twice                     | check twice                  | FL0216 |
      | a new header in the middle          | header resets the state machine | FL0104 |

  Scenario: In the right order everything is OK
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "whole load flow, hash good (poll bytewise)"
    Then the last answer is OK

  Scenario: A header that is damaged leaves a load that is under way alone
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "refused header: is the old state kept?"
    Then the last answer is OK
