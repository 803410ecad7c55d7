@reads
Feature: Waking a module
  A module in programming mode says nothing until it hears 55. It measures the rate of the first 55 it
  catches, answers OK, and from then on takes commands at that rate.

  Scenario Outline: The boot ROM wakes at <baud> baud
    Given a healthy XT-ZB2 in programming mode
    When the host sends 55 for 3 ms at <baud> baud
    And the host sends 10 00 00 00
    Then the module answers OK, OK 18 00 01 00 02 07 ..
    And no fuse was burnt

    Examples: rates that adapters offer
      | baud      |
      | 115,200   |
      | 230,400   |
      | 460,800   |
      | 500,000   |
      | 921,600   |
      | 1,000,000 |
      | 1,500,000 |
      | 2,000,000 |

    Examples: odd rates are as good, up to 1,250,000
      | baud      |
      | 74,880    |
      | 333,333   |
      | 1,234,567 |

  Scenario Outline: The RAM loader wakes at <baud> baud
    Given a healthy XT-ZB2 whose RAM loader is already running
    When the host sends 55 for 3 ms at <baud> baud
    And the host sends 36 00 00 00
    Then the module answers OK, OK 04 00 c2 20 14 80
    And no fuse was burnt

    Examples:
      | baud      |
      | 115,200   |
      | 500,000   |
      | 921,600   |
      | 1,000,000 |
      | 1,500,000 |
      | 2,000,000 |
      | 2,500,000 |
      | 3,000,000 |

  Scenario: The boot ROM rounds fast rates to multiples of 500,000, so that 1,750,000 does not work
    Given a healthy XT-ZB2 in programming mode
    When the host sends 55 for 3 ms at 1,750,000 baud
    Then the host hears no OK

  Scenario: The RAM loader goes to 1,000,000 when the host tries 1,200,000
    Given a healthy XT-ZB2 whose RAM loader is already running
    When the host sends 55 for 3 ms at 1,200,000 baud
    Then the host hears no OK

  Scenario: A rate that is far too fast wakes nobody, and does no harm
    Given a healthy XT-ZB2 in programming mode
    When the host sends 55 for 3 ms at 12,000,000 baud
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers nothing, OK

  Scenario: Before it is woken a module ignores commands
    Given a healthy XT-ZB2 in programming mode
    When the host changes to 500,000 baud
    And the host sends 10 00 00 00
    Then the module answers nothing
    When the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK

  Scenario: A 55 that comes too early, while the module is still starting, is not heard
    Given a healthy XT-ZB2 in programming mode
    When EN is pulled low for 50 ms
    And the host at once sends 55 for 0.3 ms at 500,000 baud
    Then the module answers nothing
    When the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK

  Scenario Outline: 3 ms of 55 are long enough to be heard, also <after> after the reset
    The module listens for 1 ms and then looks at its USB port for half as long, over and over.

    Given a healthy XT-ZB2 in programming mode
    When EN is pulled low for 50 ms
    And the host stays silent for <after>
    And the host sends 55 for 3 ms at 500,000 baud
    Then the module answers OK

    Examples:
      | after    |
      | 20.0 ms  |
      | 20.25 ms |
      | 20.5 ms  |
      | 20.75 ms |
      | 21.0 ms  |
      | 21.25 ms |

  Scenario: The boot ROM bears with a host that goes on sending 55
    Given a healthy XT-ZB2 in programming mode
    When the host sends 55 for 20 ms at 500,000 baud
    And the host sends 10 00 00 00
    Then the module answers OK, OK 18 00 01 00 02 07 ..

  Scenario: Waking the boot ROM twice does no harm
    Given a healthy XT-ZB2 in programming mode
    And a session at 500,000 baud
    When the host sends 55 for 2 ms at 500,000 baud
    And the host sends 10 00 00 00
    Then the module answers nothing, OK 18 00 01 00 02 07 ..

  Scenario: The RAM loader loses step with a host that goes on sending 55, until both are silent for a while
    Given a healthy XT-ZB2 whose RAM loader is already running
    When the host sends 55 for 20 ms at 500,000 baud
    And the host sends 36 00 00 00
    Then the module answers OK, nothing
    When the host stays silent for 4.2 s
    And the host sends 55 for 3 ms at 500,000 baud
    And the host sends 36 00 00 00
    Then the module answers OK, OK 04 00 c2 20 14 80

  Scenario: Waking the RAM loader twice makes it lose step as well
    Given a healthy XT-ZB2 whose RAM loader is already running
    And a session at 500,000 baud
    When the host sends the frames of the reference vector "0x55 burst poisons the next frame"
    Then the module answers nothing, nothing
    When the host stays silent for 4.2 s
    And the host sends 55 for 3 ms at 500,000 baud
    And the host sends 36 00 00 00
    Then the module answers OK, OK 04 00 c2 20 14 80
